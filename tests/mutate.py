"""Tests of the tests: plants the faults of tests/mutants.toml, one at a time, and sees who notices.

`make mutate`, or `python -m tests.mutate [-k PATTERN] [-v]`. Works on a copy in a temporary folder;
the exit status is 1 if the share that was caught is below the target.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.mutants import ROOT, Broken, Fault, Place, places

TARGET = 0.95
LIMIT_S = 600  # a test that never ends has noticed nothing
HEAVY = ("numpy", "torch", "sklearn.datasets", "onnx.reference", "onnxruntime", "lark")
OPTIONS = ["-x", "-q", "--no-header", "-p", "no:cacheprovider", "--tb=no", "-rf"]


@dataclass(frozen=True)
class Outcome:
    """What became of one fault: who noticed, at which distance, and how long it took."""

    place: Place
    fault: Fault
    how: str  # caught, late (by the wider tests alone), survived, endless
    by: str
    seconds: float

    def __str__(self) -> str:
        told = f"{self.how:9}{self.seconds:6.1f} s  {self.place.file}: {self.fault.what}"
        return told + (f"  [{self.by}]" if self.by else "")


# ── the copy ─────────────────────────────────────────────────────────────────────────────────────
def copied(to: Path) -> None:
    """Every file that git tracks, as it is in the working tree."""
    told = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    for name in filter(None, told.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)


@contextmanager
def planted(place: Place, fault: Fault, copy: Path) -> Iterator[None]:
    path = copy / place.file
    text = path.read_text(encoding="utf-8")
    index = copy / "specc/std/index.json"
    offsets = index.read_text(encoding="utf-8")
    try:
        path.write_text(place.planted(fault, copy), encoding="utf-8")
        forget(path)
        if path.suffix == ".nn":  # what the index says of the definitions' places
            index_anew(copy)
        yield
    finally:
        path.write_text(text, encoding="utf-8")
        index.write_text(offsets, encoding="utf-8")
        forget(path)


def forget(path: Path) -> None:
    """Bytecode is known by its source's second and size, which a fault may leave as they were."""
    for each in path.parent.glob(f"__pycache__/{path.stem}.*"):
        each.unlink()


def index_anew(copy: Path) -> None:
    command = [sys.executable, "-m", "specc.std.index"]
    done = subprocess.run(command, cwd=copy, env=environment(copy), capture_output=True, text=True)
    if done.returncode:
        raise Broken(f"the library can't be read any more: {done.stderr.strip()[-300:]}")


def environment(copy: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(copy)}


# ── the tests ────────────────────────────────────────────────────────────────────────────────────
def tests(copy: Path, arguments: list[str], log: Path) -> int | None:
    """pytest's exit status, None if it didn't end; in a fork that has the heavy imports already."""
    child = os.fork()
    if child == 0:
        os.setsid()
        status = 3
        try:
            status = _child(copy, arguments, log)
        finally:  # whatever happened, the child must not go on as the parent
            if sys.exc_info()[0]:
                traceback.print_exc()
            os._exit(status)
    until = time.monotonic() + LIMIT_S
    done = 0
    try:
        while time.monotonic() < until:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.02)
        return None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)  # and whatever a test of it left behind
        if not done:
            os.waitpid(child, 0)


def _child(copy: Path, arguments: list[str], log: Path) -> int:
    import pytest

    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1)
    os.dup2(out, 2)
    for name in [n for n in sys.modules if n.partition(".")[0] in ("specc", "tests")]:
        del sys.modules[name]
    os.chdir(copy)
    os.environ["PYTHONPATH"] = sys.path[0] = str(copy)
    status = int(pytest.main([*OPTIONS, *arguments]))
    sys.stdout.flush()
    return status


def chosen(place: Place, only: str) -> list[str]:
    return [*place.near, *(["-k", only] if only else [])]


def noticed_by(log: Path) -> str:
    """The first test that failed, or what pytest said last."""
    text = log.read_text(encoding="utf-8", errors="replace")
    found = re.search(r"^(?:FAILED|ERROR) (\S+)", text, re.MULTILINE)
    return found[1] if found else (text.strip().splitlines() or [""])[-1]


def tried(place: Place, fault: Fault, copy: Path, arguments: list[str], caught: str) -> Outcome:
    """Plants a fault, and runs tests."""
    began = time.monotonic()
    log = copy / "mutate.log"
    with planted(place, fault, copy):
        status = tests(copy, arguments, log)
    if status is None:
        how = "endless"
    elif status in (1, 2, 3) or status < 0:
        how = caught
    elif status:
        raise Broken(f"{fault.what}: pytest {' '.join(arguments)} ended with {status}")
    else:
        how = "survived"
    by = "" if how == "survived" else noticed_by(log)
    return Outcome(place, fault, how, by, time.monotonic() - began)


def check_passing(place: Place, faults: list[Fault], copy: Path) -> None:
    """Without a fault the tests pass: else they would notice anything."""
    words = [fault.only for fault in faults]
    status = tests(copy, chosen(place, " or ".join(words) if all(words) else ""), copy / "log")
    if status:
        raise Broken(f"{' '.join(place.near)} fails without a fault: {noticed_by(copy / 'log')}")


# ── all of them ──────────────────────────────────────────────────────────────────────────────────
def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-k", metavar="PATTERN", default="", help="only where this is found")
    parser.add_argument("--near", action="store_true", help="leave out the wider tests")
    parser.add_argument("-v", action="store_true", help="say of each fault who noticed it")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    for name in HEAVY:
        with suppress(ImportError):
            __import__(name)
    with tempfile.TemporaryDirectory(prefix="mutants.") as folder:
        copy = Path(folder)
        copied(copy)
        return reported(*run(copy, asked.k, asked.near, asked.v))


def run(copy: Path, word: str, near: bool, verbose: bool) -> tuple[list[Outcome], list[str]]:
    """Every fault before the tests near it, then what survived before the wider ones."""
    outcomes: list[Outcome] = []
    broken: list[str] = []

    def show(place: Place, fault: Fault, arguments: list[str], caught: str) -> Outcome | None:
        try:
            made = tried(place, fault, copy, arguments, caught)
        except Broken as error:
            broken.append(str(error))
            print(f"broken   {error}", flush=True)
            return None
        if verbose or made.how != "caught":
            print(made, flush=True)
        return made

    for place in places():
        faults = [each for each in place.faults if re.search(word, f"{place.file}: {each.what}")]
        if not faults:
            continue
        try:
            check_passing(place, faults, copy)
        except Broken as error:
            broken.append(str(error))
            print(f"broken   {error}", flush=True)
            continue
        found = [show(place, each, chosen(place, each.only), "caught") for each in faults]
        outcomes += [each for each in found if each is not None]
    for at, each in enumerate(outcomes):
        if each.how == "survived" and not near:
            outcomes[at] = show(each.place, each.fault, [*each.place.wider], "late") or each
    return outcomes, broken


def reported(outcomes: list[Outcome], broken: list[str]) -> int:
    count = {how: sum(each.how == how for each in outcomes) for how in
             ("caught", "late", "survived", "endless")}  # fmt: skip
    seen = count["caught"] + count["late"]
    share = seen / len(outcomes) if outcomes else 0.0
    print(
        f"{len(outcomes)} faults: {seen} noticed ({share:.1%}), {count['late']} of them by the"
        f" wider tests alone; {count['survived']} survived, {count['endless']} never ended;"
        f" {len(broken)} rows could not be tried"
    )
    return 1 if broken or share < TARGET else 0


if __name__ == "__main__":
    sys.exit(main())
