"""The folder of a run: what lies where, whose it is, and that one process writes it at a time."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from specc.diagnostics import SpecError, fault
from specc.training.files import append_line, unwritable, write_atomically
from specc.version import __version__

RUN, RESULTS, METRICS = "run.json", "results.json", "metrics.jsonl"
LAST, BEST = "last.safetensors", "best.safetensors"
CHECKPOINT = "checkpoint.safetensors"


def new_folder(spec_path: str) -> Path:
    """runs/<spec>-1 or the next number that is free."""
    stem = Path(spec_path).stem.strip("<>") or "spec"
    runs = Path("runs")
    try:
        runs.mkdir(exist_ok=True)
        for number in range(1, 1_000_000):
            folder = runs / f"{stem}-{number}"
            try:
                folder.mkdir()
                return folder
            except FileExistsError:
                continue
    except OSError as error:
        raise unwritable(runs, error) from None
    raise AssertionError("a million runs of one spec in one folder")


def latest_folder(spec_path: str) -> Path:
    """The newest of runs/<spec>-<n>, for a resume that names none."""
    stem = Path(spec_path).stem
    found = [each for each in Path("runs").glob(f"{stem}-*") if (each / RUN).is_file()]
    numbered = [each for each in found if each.name.removeprefix(f"{stem}-").isdigit()]
    if not numbered:
        raise nothing_to_resume(Path("runs") / f"{stem}-<n>")
    return max(numbered, key=lambda each: int(each.name.removeprefix(f"{stem}-")))


def given_folder(out: Path) -> Path:
    """The folder that --out names, made if need be; never one that holds another run's results."""
    taken = [
        name for name in (RUN, RESULTS, METRICS, LAST, BEST, CHECKPOINT) if (out / name).exists()
    ]
    if taken:
        raise fault(
            "R206",
            f"`{out}` holds a run already: {', '.join(taken)}",
            help="go on with it: --resume; or choose another folder with --out",
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(out, error) from None
    return out


def nothing_to_resume(folder: Path) -> SpecError:
    return fault(
        "R208",
        f"there is no run to resume in `{folder}`",
        help="start one without --resume, or name its folder with --out",
    )


def write_description(folder: Path, description: Mapping[str, Any], spec: str, text: str) -> None:
    """The spec's text and, last, the file that makes the folder a run."""
    write_atomically(folder / (Path(spec).name.strip("<>") or "spec.nn"), text.encode())
    write_atomically(folder / RUN, (json.dumps(description, indent=2) + "\n").encode())


def write_results(folder: Path, results: Mapping[str, Any]) -> None:
    """The end of a run: what the kept weights measure, and the verdicts."""
    write_atomically(folder / RESULTS, (json.dumps(results, indent=2) + "\n").encode())


def read_description(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / RUN).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise nothing_to_resume(folder) from None
    except (OSError, ValueError) as error:
        raise fault("R203", f"`{folder / RUN}` can't be read: {error}") from None
    needed = {"overrides", "seed", "dtype", "backend"}
    if not isinstance(found, dict) or not needed <= found.keys() or not _chosen(found):
        raise fault("R203", f"`{folder / RUN}` doesn't describe a run")
    return found


def _chosen(found: Mapping[str, Any]) -> bool:
    how = found.get("how", {})
    known = {"device", "precision", "compiled", "without", "threads"}
    return isinstance(found["backend"], str) and isinstance(how, dict) and how.keys() <= known


def versions(backend: str) -> dict[str, str]:
    """What decides the bits of a result, beside the spec and the seed."""
    from importlib import metadata

    import numpy

    library = {"torch": "torch", "onnx": "onnxruntime"}.get(backend)
    return {
        "specc": __version__,
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        **({library: metadata.version(library)} if library else {}),
        "machine": f"{sys.platform} {platform.machine()}",
    }


def threads() -> str:
    """What NumPy's linear algebra takes as its number of threads."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        if os.environ.get(name):
            return os.environ[name]
    return str(os.cpu_count())


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """One process at a time writes a run; the lock goes with the process, however it ends."""
    if os.name != "posix":
        yield
        return
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise fault("R206", f"another process is writing to `{folder}`") from None
    finally:
        os.close(descriptor)


# ── metrics.jsonl ────────────────────────────────────────────────────────────────────────────────
def append_metrics(folder: Path, record: Mapping[str, Any]) -> None:
    append_line(folder / METRICS, json.dumps(finite(record)))


def finite(record: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has no NaN: a value that isn't finite is null."""
    infinite = (float("inf"), float("-inf"))
    return {n: None if v != v or v in infinite else v for n, v in record.items()}


def restore_metrics(folder: Path, epochs: int) -> list[dict[str, Any]]:
    """The lines of the epochs that a checkpoint has seen; later ones will be measured again."""
    path = folder / METRICS
    lines = path.read_bytes().splitlines() if path.exists() else []
    records: list[dict[str, Any]] = []
    for line in lines[:epochs]:
        try:
            records.append(json.loads(line))
        except ValueError:
            break
    if len(lines) > len(records):
        text = "".join(json.dumps(each) + "\n" for each in records)
        write_atomically(path, text.encode())
    return records
