"""A program of torch called again and again with the same weights, beside plain calls of it."""

from __future__ import annotations

import numpy as np

import specc
from specc import pipeline
from specc.backends import torch as on_torch

IMAGES = """
model M {
    input image: float[batch, 3, 8, 8]
    maps = image -> Conv2d(4, 3) as conv -> BatchNorm() as norm -> relu
    h = maps -> flatten -> Linear(2) as out
    output maps
    output h
    output weight = out.weight
}
"""


def test_what_stays_between_calls_changes_no_result() -> None:
    model = specc.loads(IMAGES).model()
    program = on_torch.compile(pipeline.forward(model.built), "float64")
    assert "F.batch_norm(" in program.source
    random = np.random.default_rng(0)
    fixed = {
        name: random.uniform(0.5, 1.5, values.shape)
        for name, values in model.compile(dtype="float64").weights.items()
    }
    call = program.wired(fixed)
    for rows in (2, 5, 2):
        image = random.standard_normal((rows, 3, 8, 8))
        for kept, plain in zip(
            call({"image": image}).values(),
            program({**fixed, "image": image}).values(),
            strict=True,
        ):
            np.testing.assert_allclose(kept, plain, rtol=1e-12, atol=1e-12)
            assert kept.flags.c_contiguous


def test_results_are_the_caller_s_own() -> None:
    model = specc.loads(IMAGES).model().compile("torch")
    image = np.ones((1, 3, 8, 8), np.float32)
    first = model(image=image)
    first["weight"][...] = 0
    first["maps"][...] = 0
    second = model(image=image)
    np.testing.assert_array_equal(second["weight"], model.weights["out.weight"])
    assert second["maps"].any()
    np.testing.assert_array_equal(second["h"], model(image=image)["h"])
