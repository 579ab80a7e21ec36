"""What a person sees: a line an epoch in a pipe, a bar on a terminal, nothing from Python."""

from __future__ import annotations

import sys

import pytest

from specc.training.progress import Bar, Lines, Silent, chosen, duration, shown

METRICS = {"train.loss": 0.123456, "train.objective": 0.2, "dev.accuracy": 0.9}


def test_lines_are_plain(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Lines()
    progress.begin("train", 30, 0)
    progress.step(1, 1, METRICS, 10.0)
    progress.epoch(3, 30, METRICS, 12345.6, 200.0)
    progress.end()
    assert capsys.readouterr().out == (
        "epoch 3/30  train.loss 0.1235  dev.accuracy 0.9  12,346 examples/s  3 min left\n"
    )


def test_a_bar_is_for_terminals_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(chosen(), Lines)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert isinstance(chosen(), Bar)


def test_a_bar_shows_loss_metrics_and_speed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    progress = Bar()
    progress.begin("train", 30, 0)
    progress.step(30, 3, METRICS, 12345.6)
    progress._bar.refresh()
    progress.say("[not markup]")
    progress.end()
    progress.end()
    text = capsys.readouterr().out
    assert "[not markup]" in text
    assert "train.loss 0.1235" in text
    assert "12,346 examples/s" in text
    assert "30/30" in text


def test_silence(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Silent()
    progress.say("x")
    progress.epoch(1, None, METRICS, 1.0, 1.0)
    assert capsys.readouterr().out == ""


def test_numbers_for_people() -> None:
    assert [duration(s) for s in (3.2, 600, 7200)] == ["3 s", "10 min", "2.0 h"]
    assert shown(METRICS) == "train.loss 0.1235  dev.accuracy 0.9"
