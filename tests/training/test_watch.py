"""Patience, plateaus and keeping, against torch's scheduler and by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from specc.diagnostics import SpecError
from specc.ir.figures import direction
from specc.ir.graph import Graph
from specc.ir.model import Keep, Loss, Metric, Model, Patience, Plateau, Train
from specc.training.watch import Watch, watches_of

EMPTY = Graph("empty", (), ())
MODEL = Model("M", EMPTY, EMPTY, (), (), (), (Loss("loss"),), (Metric("accuracy"),), {})
TRAIN = Train(
    "train", MODEL, None, None, (), None, (), None, (), (), None, 1, None, 0, None, None
)  # fmt: skip


def test_the_first_best_is_kept_at_ties() -> None:
    watches = watches_of(replace(TRAIN, keep=Keep("dev.accuracy", True)))
    values = [0.5, 0.7, 0.7, 0.6, math.nan, 0.8]
    kept = [watches.see({"dev.accuracy": value})[0] for value in values]
    assert kept == [True, True, False, False, False, True]


def test_patience_stops_after_so_many_epochs_without_a_better_one() -> None:
    watches = watches_of(replace(TRAIN, stop=Patience("dev.loss", 2)))
    values = [3.0, 2.0, 2.5, 1.9, 1.9, 2.0]
    stopped = [watches.see({"dev.loss": value})[1] for value in values]
    assert stopped == [False, False, False, False, False, True]


@pytest.mark.parametrize("patience", [0, 1, 3])
def test_plateaus_are_torchs(patience: int) -> None:
    import torch

    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.25, patience=patience
    )
    watches = watches_of(replace(TRAIN, plateaus=(Plateau("dev.loss", 0.25, patience),)))
    values = [1.0, 0.9, 0.89999, 0.9, 0.8, 0.85, 0.85, 0.84, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7]
    for value in values:
        watches.see({"dev.loss": value})
        scheduler.step(value)
        assert watches.scale == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)


def test_a_checkpoint_of_watches_reads_back() -> None:
    train = replace(
        TRAIN,
        keep=Keep("dev.accuracy", True),
        stop=Patience("dev.loss", 5),
        plateaus=(Plateau("dev.loss", 0.5, 0),),
    )
    first, second = watches_of(train), watches_of(train)
    for loss in (1.0, 2.0, 3.0):
        first.see({"dev.loss": loss, "dev.accuracy": -loss})
    second.restore(first.json())
    assert second.json() == first.json()
    last = {"dev.loss": 4.0, "dev.accuracy": 0.0}
    assert second.see(last) == first.see(last)
    assert second.scale == first.scale == 0.125


def test_a_metric_s_direction_is_not_guessed() -> None:
    clause = Patience("dev.accuracy", 3)
    with pytest.raises(SpecError) as error:
        direction(TRAIN, clause)
    assert error.value.diagnostics[0].code == "M028"
    assert direction(replace(TRAIN, keep=Keep("dev.accuracy", True)), clause)
    assert not direction(TRAIN, Patience("dev.loss", 3))


def test_nan_is_never_the_best() -> None:
    watch = Watch("dev.loss", highest=False)
    assert not watch.see(math.nan)
    assert watch.see(3.0)
    assert not watch.see(math.nan)
