"""From what went wrong to an exit code and a message. The only place that catches everything."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType, TracebackType

from specc.cli.output import report
from specc.diagnostics import Diagnostic, SpecError
from specc.version import __version__

INPUT_IS_WRONG = 2
OUR_FAULT = 70  # EX_SOFTWARE of sysexits.h
INTERRUPTED, PIPE_CLOSED, TERMINATED = 130, 141, 143  # 128 and the signal's number


def guarded(command: Callable[[], int], words: Sequence[str]) -> int:
    """The command's exit code, whatever happens in it."""
    before = signal.signal(signal.SIGTERM, _terminate)
    as_json = "--json" in words
    try:
        code = command()
        sys.stdout.flush()
        return code
    except SpecError as error:
        report(error.diagnostics, as_json=as_json)
        return INPUT_IS_WRONG
    except BrokenPipeError:
        # Whoever read our output has enough. What Python would flush at exit goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except OSError as error:
        if error.filename is None and error.errno is None:
            return _internal(error, words)
        report([_system_fault(error)], as_json=as_json)
        return INPUT_IS_WRONG
    except MemoryError:
        report([OUT_OF_MEMORY], as_json=as_json)
        return INPUT_IS_WRONG
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 a bug of ours, said as one
        if any(each in str(error) for each in NO_MEMORY):
            report([OUT_OF_MEMORY], as_json=as_json)
            return INPUT_IS_WRONG
        return _internal(error, words)
    finally:
        signal.signal(signal.SIGTERM, before)


# How torch and onnxruntime say it, in errors of no kind of their own.
NO_MEMORY = ("can't allocate memory", "Failed to allocate memory", "out of memory")
OUT_OF_MEMORY = Diagnostic(
    "L012",
    "this machine has not enough memory for it",
    help="a smaller `batch` or smaller layers need less; `specc show` tells what a model needs",
)


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(TERMINATED)  # raises, so what is under way is closed


def _system_fault(error: OSError) -> Diagnostic:
    reason = error.strerror or str(error)
    name = f"`{error.filename}`: " if error.filename else ""
    return Diagnostic("I050", f"{name}{reason[:1].lower()}{reason[1:]}")


def _internal(error: BaseException, words: Sequence[str]) -> int:
    import platform
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile(
        "w", prefix="specc-internal-error-", suffix=".txt", delete=False, encoding="utf-8"
    ) as details:
        print(f"specc {__version__}, Python {sys.version}", file=details)
        print(f"{platform.platform()}\nspecc {' '.join(words)}\n", file=details)
        traceback.print_exception(error, file=details)
    message = " ".join(f"{type(error).__name__}: {error}".split())
    print(
        f"internal error in {_stage(error.__traceback__)}: {message[:200]}\n"
        f"  This is a fault of specc, not of your files. The details are in {details.name};\n"
        "  please report it with that file and the spec.",
        file=sys.stderr,
    )
    return OUR_FAULT


def _stage(traceback: TracebackType | None) -> str:
    """The room that failed: the innermost frame of specc's own."""
    stage = "specc"
    while traceback is not None:
        module = traceback.tb_frame.f_globals.get("__name__", "")
        if module.startswith("specc."):
            stage = module.removeprefix("specc.")
        traceback = traceback.tb_next
    return stage
