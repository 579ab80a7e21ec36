"""Labels outside their classes are found in the data, whatever the loss does with them."""

from __future__ import annotations

import numpy as np
import pytest

from specc.diagnostics import SpecError
from specc.ir import Graph, Output, Type, emit, make_input
from specc.training.bounds import bounds_of, check
from tests.training.models import BATCH

LABEL = make_input("label", "target", Type("int", (BATCH,)))
LOGITS = make_input("logits", "input", Type("float", (BATCH, 3)))


def graph(node, *inputs) -> Graph:
    return Graph("g", inputs, (Output("value", "loss", node),))


def picked() -> Graph:
    index = emit("reshape", LABEL, shape=(BATCH, 1))
    return graph(emit("take_along_axis", LOGITS, index, axis=1), LABEL, LOGITS)


def one_hot() -> Graph:
    classes = emit("broadcast", emit("iota", length=3), shape=(BATCH, 3))
    wide = emit("broadcast", emit("reshape", LABEL, shape=(BATCH, 1)), shape=(BATCH, 3))
    return graph(emit("equal", wide, classes), LABEL)


def looked_up() -> Graph:
    table = make_input("table", "parameter", Type("float", (5, 2)))
    token = make_input("token", "input", Type("int", (BATCH,)))
    return graph(emit("take", table, token), table, token)


def test_bounds_are_read_off_the_graph() -> None:
    assert bounds_of(picked()) == {"label": 3}
    assert bounds_of(one_hot()) == {"label": 3}
    assert bounds_of(looked_up()) == {"token": 5}


def test_what_is_computed_with_first_has_no_bound() -> None:
    shifted = emit("add", LABEL, LABEL)
    index = emit("reshape", shifted, shape=(BATCH, 1))
    made = graph(emit("take_along_axis", LOGITS, index, axis=1), LABEL, LOGITS)
    assert bounds_of(made) == {}


@pytest.mark.parametrize("wrong", [3, -1])
def test_the_row_is_named(wrong: int) -> None:
    label = np.array([0, 1, 2, wrong, wrong])
    with pytest.raises(SpecError) as error:
        check(picked(), {"label": label}, None)
    found = error.value.diagnostics[0]
    assert found.code == "D009"
    assert found.found == f"{wrong} in row 3 (2 such rows)"
    check(picked(), {"label": np.array([0, 1, 2])}, None)
