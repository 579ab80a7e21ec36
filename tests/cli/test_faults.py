"""What ends a command: exit codes, and messages in place of tracebacks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from specc.cli import main
from specc.cli.faults import guarded
from specc.diagnostics import Diagnostic, SpecError


def refuses() -> int:
    raise SpecError([Diagnostic("T001", "axes differ"), Diagnostic("T002", "and again")])


def test_a_users_fault_is_2_with_a_count(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(refuses, []) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "error[T001]: axes differ" in shown.err
    assert shown.err.endswith("2 errors\n")


def test_a_users_fault_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(refuses, ["--json"]) == 2
    answer = json.loads(capsys.readouterr().out)
    assert answer["errors"] == 2
    assert [each["code"] for each in answer["diagnostics"]] == ["T001", "T002"]


def test_our_own_fault_is_70_with_the_details_in_a_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def breaks() -> int:
        raise AssertionError("a node without type")

    assert guarded(breaks, ["show", "x.nn"]) == 70
    shown = capsys.readouterr().err
    (details,) = tmp_path.iterdir()
    assert "internal error" in shown
    assert "Traceback" not in shown
    assert str(details) in shown
    text = details.read_text()
    assert "Traceback" in text
    assert "specc show x.nn" in text


def test_the_stage_of_our_own_fault_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def breaks() -> int:
        from specc.ir import emit

        emit("no such operation")
        return 0

    assert guarded(breaks, []) == 70
    assert "internal error in ir.graph: KeyError" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (MemoryError(), 2, "L012"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes"), 2, "L012"),
        (OSError(28, "No space left on device", "out.npz"), 2, "`out.npz`: no space left"),
        (PermissionError(13, "Permission denied", "a.nn"), 2, "I050"),
    ],
)
def test_the_world_outside(
    error: BaseException, code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> int:
        raise error

    assert guarded(fails, []) == code
    shown = capsys.readouterr().err
    assert says in shown
    assert "Traceback" not in shown


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("chekc",), "did you mean `check`?"),
        (("--verbose",), "`--verbose` is not an option of specc"),
        (("explain", "--jsn"), "C001"),
        (("show", "a.nn", "--stag", "build"), "did you mean `--stage`?"),
        (("show", "a.nn", "--stage", "buidl"), "did you mean `build`?"),
        (("check",), "required: FILE"),
        (("check", "a.nn", "--set", "epochs"), "C004"),
        (("show", "a.nn", "--depth", "0"), "0 is not between 1 and"),
        (("show", "a.nn", "--depth", "two"), "`two` is not a whole number"),
        (("explain", "T9999"), "C003"),
        (("run", "a.nn", "--seed", "-1"), "--seed"),
    ],
)
def test_a_wrong_command_line(
    words: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    shown = capsys.readouterr()
    assert says in shown.err
    assert shown.err.endswith("1 error\n")
    assert not shown.out


def test_no_command_is_2_and_tells_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage: specc COMMAND" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--help"], ["help"], ["-h"]])
def test_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    assert "explain a diagnostic's code" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["run", "check", "fmt", "show", "explain", "predict", "export"])
def test_each_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit:
        main(["help", command])
    assert exit.value.code == 0
    assert f"usage: specc {command}" in capsys.readouterr().out


# ── as a process ─────────────────────────────────────────────────────────────────────────────────
def test_a_closed_pipe_ends_quietly() -> None:
    command = f"{sys.executable} -m specc explain | head -n 1 >/dev/null; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.stdout.strip() in ("0", "141"), "all of it may have fitted into the pipe"
    assert not done.stderr


WAITS = """
import sys, time
from specc.cli.faults import guarded
def waits():
    print("ready", flush=True)
    time.sleep(60)
sys.exit(guarded(waits, []))
"""


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals(sent: signal.Signals, code: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WAITS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(sent, signal.SIG_DFL),  # a shell's `&` has it ignored
    ) as process:  # fmt: skip
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(sent)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == code
    assert "Traceback" not in errors
