"""Files that are whole or absent, and paths that stay inside a folder. Knows no format."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from specc.diagnostics import Span, SpecError, did_you_mean, fault
from specc.limits import DATA_BYTES


def write_atomically(path: Path, payload: bytes) -> None:
    """Writes to a neighbour, syncs, renames, syncs the folder: a kill leaves the old or the new.

    A device or a pipe, such as /dev/null, is written into: renaming would put a file in its place.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        path.write_bytes(payload)
        return
    partial = path.with_name(f".{path.name}.partial")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        try:
            left = memoryview(payload)
            while left:
                left = left[os.write(descriptor, left) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(partial, path)
        sync_folder(path.parent)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise unwritable(path, error) from None


def check_outputs(outputs: Iterable[Path], inputs: Iterable[str | Path | None]) -> None:
    """
    Raises:
        SpecError: C007 where something would be written over what is read.
    """
    read = {Path(each).resolve() for each in inputs if each is not None}
    for output in outputs:
        if output.resolve() in read:
            raise fault(
                "C007",
                f"`{output}` would be written over a file that is read",
                help="name another file to write",
            )


def append_line(path: Path, line: str) -> None:
    """One write for the whole line, so that a kill can't tear it."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            os.write(descriptor, f"{line}\n".encode())
        finally:
            os.close(descriptor)
    except OSError as error:
        raise unwritable(path, error) from None


def sync_folder(folder: Path) -> None:
    """Makes a rename in the folder outlast a power cut; only POSIX can open a folder."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def unwritable(path: Path, error: OSError) -> SpecError:
    return fault(
        "R207",
        f"`{path}` can't be written: {error.strerror or error}",
        help="what was written before is whole; free space or choose another folder with --out",
    )


def contained(folder: str, argument: str, span: Span | None) -> Path:
    """The file that a spec names, inside the spec's own folder tree; I101 if it leads out of it."""
    where = Path(argument)
    root = Path(folder or ".").resolve()
    outside = where.is_absolute() or ".." in where.parts
    path = (root / where).resolve()
    if outside or not path.is_relative_to(root):
        raise fault(
            "I101",
            f'the file "{argument}" is outside the spec\'s folder',
            (span, "named here") if span else None,
            expected=f"a path inside `{root}`",
            found=str(path),
            help="move the file beside the spec, or the spec beside the file",
        )
    return path


def read_bytes(path: Path, code: str, what: str, span: Span | None = None) -> bytes:
    """A file's content, its size within the limit; `code` if it can't be read."""
    check_file(path, code, what, span)
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, code, what, span, error.strerror or str(error)) from None


def check_file(path: Path, code: str, what: str, span: Span | None = None) -> int:
    """The size of a regular file within the limit."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise _unreadable(path, code, what, span, error.strerror or str(error)) from None
    if not path.is_file():
        raise _unreadable(path, code, what, span, "it is not a regular file")
    if size > DATA_BYTES.value:
        raise too_large(path, size, span)
    return size


def too_large(path: Path | str, size: int, span: Span | None) -> SpecError:
    return fault(
        DATA_BYTES.code,
        f"`{path}` is too large",
        span,
        expected=f"at most {DATA_BYTES.value:_} {DATA_BYTES.what}",
        found=f"{size:_}",
    )


def _unreadable(path: Path, code: str, what: str, span: Span | None, why: str) -> SpecError:
    nearby = ""
    if path.parent.is_dir() and not path.exists():
        nearby = did_you_mean(path.name, (each.name for each in path.parent.iterdir()))
    return fault(code, f"the {what} `{path}` can't be read: {why}", span, help=nearby)
