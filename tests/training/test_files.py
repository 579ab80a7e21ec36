"""No file is ever half written: faults and kills leave the old one."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from specc.diagnostics import SpecError
from specc.training.files import append_line, write_atomically
from specc.training.folder import given_folder, held, new_folder


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "w"
    write_atomically(path, b"old")

    def full(*arguments: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(SpecError) as error:
        write_atomically(path, b"new")
    assert error.value.diagnostics[0].code == "R207"
    assert "No space left" in str(error.value)
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["w"]


def test_a_folder_that_isn_t_there(tmp_path: Path) -> None:
    with pytest.raises(SpecError):
        write_atomically(tmp_path / "no" / "w", b"")
    with pytest.raises(SpecError):
        append_line(tmp_path / "no" / "w", "")


WRITER = """
import sys
from pathlib import Path
from specc.training.files import write_atomically
for number in range(1_000_000):
    write_atomically(Path(sys.argv[1]), bytes([number % 251]) * 300_000)
    print(number, flush=True)
"""


def test_a_kill_at_any_moment_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "w"
    for round in range(5):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(0.0013 * round)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        content = path.read_bytes()
        assert len(content) == 300_000
        assert len(set(content)) == 1


def test_new_folders_are_numbered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert [str(new_folder("specs/xor.nn")) for _ in range(3)] == [
        "runs/xor-1", "runs/xor-2", "runs/xor-3"
    ]  # fmt: skip


def test_results_are_not_overwritten(tmp_path: Path) -> None:
    assert given_folder(tmp_path / "a" / "b").is_dir()
    (tmp_path / "a" / "b" / "run.json").write_text("{}")
    with pytest.raises(SpecError) as error:
        given_folder(tmp_path / "a" / "b")
    assert error.value.diagnostics[0].code == "R206"


def test_a_pipe_is_written_into_and_stays_one(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    write_atomically(path, b"all")
    assert os.read(reader, 10) == b"all"
    assert path.is_fifo()
    os.close(reader)


@pytest.mark.skipif(os.name != "posix", reason="folders are locked on POSIX alone")
def test_one_process_writes_a_run(tmp_path: Path) -> None:
    with held(tmp_path), pytest.raises(SpecError, match="another process"), held(tmp_path):
        pass
    with held(tmp_path):
        pass
