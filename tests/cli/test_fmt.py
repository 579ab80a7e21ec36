"""`specc fmt`: changes what differs, whole or not at all, and nothing else."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from specc.cli import main
from specc.cli.rewrite import rewrite

UNTIDY = "model   M{\n  input x:float[batch,4]\n  output   x->Linear(2)\n}\n"
BROKEN = "model M {\n  input x: float[batch\n"


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    file = tmp_path / "m.nn"
    file.write_text(UNTIDY)
    return file


def test_a_file_is_formatted_once(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fmt", str(spec)]) == 0
    assert capsys.readouterr().out == f"{spec}: formatted\n"
    text = spec.read_text()
    assert text != UNTIDY
    before = spec.stat().st_mtime_ns
    assert main(["fmt", str(spec)]) == 0
    assert capsys.readouterr().out == ""
    assert (spec.read_text(), spec.stat().st_mtime_ns) == (text, before)


def test_check_changes_nothing(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fmt", "--check", str(spec)]) == 1
    assert str(spec) in capsys.readouterr().out
    assert spec.read_text() == UNTIDY
    main(["fmt", str(spec)])
    assert main(["fmt", "--check", str(spec)]) == 0


def test_a_file_with_errors_is_left_alone(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = spec.with_name("broken.nn")
    broken.write_text(BROKEN)
    assert main(["fmt", str(broken), str(spec)]) == 2
    assert broken.read_text() == BROKEN
    assert spec.read_text() != UNTIDY
    assert "broken.nn" in capsys.readouterr().err


def test_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(UNTIDY))
    assert main(["fmt", "-"]) == 0
    once = capsys.readouterr().out
    assert once.startswith("model M {\n")
    monkeypatch.setattr("sys.stdin", io.StringIO(once))
    assert main(["fmt", "-"]) == 0
    assert capsys.readouterr().out == once


@pytest.mark.parametrize("file", sorted(Path("specs").glob("*.nn")), ids=lambda file: file.name)
def test_the_specs_are_formatted(file: Path) -> None:
    assert main(["fmt", "--check", str(file)]) == 0


def test_the_library_is_formatted() -> None:
    assert main(["fmt", "--check", *map(str, sorted(Path("specc/std").glob("*.nn")))]) == 0


def test_missing_files_and_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fmt", str(tmp_path / "none.nn"), str(tmp_path)]) == 2
    shown = capsys.readouterr().err
    assert "none.nn" in shown
    assert shown.endswith("2 errors\n")


# ── rewriting ────────────────────────────────────────────────────────────────────────────────────
def test_rewriting_keeps_permissions_and_links(tmp_path: Path) -> None:
    file, link = tmp_path / "a.nn", tmp_path / "link.nn"
    file.write_text("old")
    file.chmod(0o640)
    link.symlink_to(file)
    rewrite(str(link), "new\n")
    assert link.is_symlink()
    assert file.read_text() == "new\n"
    assert file.stat().st_mode & 0o777 == 0o640
    assert sorted(os.listdir(tmp_path)) == ["a.nn", "link.nn"]


def test_a_failed_rewrite_leaves_the_old_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    file = tmp_path / "a.nn"
    file.write_text("old")
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        rewrite(str(file), "new")
    assert file.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.nn"]
