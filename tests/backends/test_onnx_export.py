"""Files that `specc export` writes as ONNX: valid, self-contained, and what NumPy computes."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx.reference import ReferenceEvaluator

import specc
from specc import loads, pipeline
from specc.backends.onnx import OPSET, Form, files, lower, model_of
from specc.diagnostics import SpecError
from specc.ir.graph import Graph
from specc.ir.model import Model, Train
from specc.ir.size import evaluate
from specc.language import load
from specc.passes import trained
from specc.training.exports import write_onnx, write_onnx_step
from specc.training.files import write_atomically
from specc.training.learner import Learner
from specc.training.predict import Forward, initial_weights
from specc.training.steps import step_graph
from tests.check import assert_close
from tests.small import built
from tests.specs.test_specs import FOLDER, SPECS

ROOT = Path(__file__).parents[2]

every = pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
in_both = pytest.mark.parametrize("dtype", ["float32", "float64"])


def session_of(path: Path) -> ort.InferenceSession:
    """With everything that onnxruntime does to a model by default."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def batch_of(graph: Graph, size: int, dtype: str, seed: int = 0) -> dict[str, np.ndarray]:
    """Normal floats and ints of 0 or 1 for every input and target; each axis is `size` long, but
    time is a step longer: a language model reads all but the last.
    """
    made: dict[str, np.ndarray] = {}
    for role in ("input", "target"):
        for name, node in graph.taking(role).items():
            random = np.random.default_rng([seed, crc32(name.encode())])
            axes = re.findall(r"[a-z_]\w*", " ".join(map(str, node.shape)))
            lengths = {axis: size + 1 if axis == "time" else size for axis in axes}
            shape = [evaluate(extent, lengths) for extent in node.shape]
            if node.dtype == "int":
                made[name] = random.integers(0, 2, shape)
            else:
                made[name] = random.standard_normal(shape).astype(dtype)
    return made


def exported(path: Path, file: Path, dtype: str, opset: int | None = None) -> Model:
    spec = built(path)
    model = spec.trains[-1].model
    write_onnx(model, spec, file, dtype, opset=opset)
    return model


def exported_step(path: Path, file: Path, dtype: str) -> Train:
    spec = built(path)
    write_onnx_step(spec, file, dtype, None, None)
    return spec.trains[-1]


def begun(model: Model, size: int, dtype: str) -> dict[str, np.ndarray]:
    """States that are carried from batch to batch, as they begin: zeros in the specs."""
    return {
        each.name: np.zeros([e if isinstance(e, int) else size for e in each.type.shape], dtype)
        for each in model.streams
    }


# ── a model ──────────────────────────────────────────────────────────────────────────────────────
@every
@in_both
@pytest.mark.parametrize("opset", [18, 19, 20, 21, 22, 23])
def test_a_file_runs_with_any_batch(path: Path, dtype: str, opset: int, tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    model = exported(path, file, dtype, opset)
    session = session_of(file)
    forward = Forward(model, dtype=dtype)
    for size in (1, 3):
        batch = batch_of(forward.graph, size, dtype)
        reference = forward(**batch)
        names = [each.name for each in session.get_outputs()]
        results = dict(
            zip(names, session.run(names, batch | begun(model, size, dtype)), strict=True)
        )
        assert results.keys() == {*reference, *(f"{each.name}'" for each in model.streams)}
        for name, right in reference.items():
            assert_close(results[name], right, what=f"{path.stem}: {name} of {size}")


@every
@in_both
def test_the_standard_s_own_evaluator_agrees(path: Path, dtype: str, tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    exported(path, file, dtype)
    model = built(path).trains[-1].model
    forward = Forward(model, dtype=dtype)
    batch = batch_of(forward.graph, 3, dtype)
    reference = forward(**batch)
    evaluator = ReferenceEvaluator(onnx.load(file))
    names = list(reference)
    results = evaluator.run(names, batch | begun(model, 3, dtype))
    for name, made in zip(names, results, strict=True):
        assert_close(made, reference[name], what=f"{path.stem}: {name}")


@every
@pytest.mark.parametrize("to", ["onnx", "onnx-train"])
def test_a_file_is_valid_and_says_where_it_comes_from(path: Path, to: str, tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    pipeline.export(path, to=to, output=file)
    model = onnx.load(file)
    onnx.checker.check_model(model, full_check=True)
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    assert {node.domain for node in model.graph.node} == {""}
    assert [(each.domain, each.version) for each in model.opset_import] == [("", OPSET)]
    assert model.ir_version == 10
    found = {each.key: each.value for each in model.metadata_props}
    assert found["specc.spec"] == path.read_text()
    assert found["specc.sha256"] == sha256(path.read_bytes()).hexdigest()
    assert found["specc.version"]
    read = {name for node in model.graph.node for name in node.input}
    read |= {each.name for each in model.graph.output}
    for node in model.graph.node:
        assert read & set(node.output), f"{node.name} is dead"


def test_names_are_the_spec_s(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    pipeline.export(FOLDER / "lenet.nn", to="onnx", output=file)
    graph = onnx.load(file).graph
    (image,) = graph.input
    assert image.name == "image"
    assert image.type.tensor_type.shape.dim[0].dim_param == "batch"
    assert [each.name for each in graph.output] == ["logits"]
    weights = {each.name for each in graph.initializer}
    layers = ("conv1", "conv2", "fc1", "fc2")
    assert {f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")} <= weights
    assert [node.op_type for node in graph.node] == [
        "Conv", "Relu", "MaxPool", "Conv", "Relu", "MaxPool", "Reshape", "Gemm", "Relu", "Gemm",
    ]  # fmt: skip
    assert {"/conv1/Conv", "/fc2/Gemm"} <= {node.name for node in graph.node}


TRANSFORMER = """
layer Block(d: int, heads: int) {
    input x: float[batch, time, d], keep: bool[batch, time]?

    h = x -> LayerNorm as norm1
    q = rearrange(h -> Linear(d) as q, "b t (h e) -> b h t e", h = heads)
    k = rearrange(h -> Linear(d) as k, "b t (h e) -> b h t e", h = heads)
    v = rearrange(h -> Linear(d) as v, "b t (h e) -> b h t e", h = heads)
    mixed = rearrange(attention(q, k, v, keep), "b h t e -> b t (h e)")
    x = x + (mixed -> Linear(d) as out)
    return x + (x -> LayerNorm as norm2 -> Linear(4 * d) as up -> gelu -> Linear(d) as down)
}

model M {
    input token: int[batch, time], keep: bool[batch, time]

    x = token -> Embedding(20, 16) as embed
    repeat 2 as block { x = x -> Block(16, 4)(KEEP) as "" }
    output x -> LayerNorm as last -> Linear(20) as head
}
"""


@in_both
@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("opset", [18, 21, 23])
def test_a_transformer_of_any_length(dtype: str, masked: bool, opset: int, tmp_path: Path) -> None:
    text = TRANSFORMER.replace("(KEEP)", "(keep = keep)" if masked else "")
    model = loads(text).model("M")
    file = tmp_path / "model.onnx"
    write_onnx(model.built, None, file, dtype, opset=opset)
    onnx.checker.check_model(onnx.load(file), full_check=True)
    session = session_of(file)
    kinds = {node.op_type for node in onnx.load(file).graph.node}
    attends = dtype == "float32" and opset >= 23
    assert ("Attention" in kinds) == attends
    # A masked row may have nothing to attend to.
    assert ("Softmax" in kinds) == (not masked and not attends)
    assert ("LayerNormalization" in kinds) == (dtype == "float32")
    assert ("Gelu" in kinds) == (dtype == "float32" and opset >= 20)
    forward = model.compile(dtype=dtype)
    random = np.random.default_rng(0)
    for batch, time in ((1, 5), (3, 5), (2, 9)):
        feeds: dict[str, Any] = {"token": random.integers(0, 20, (batch, time))}
        if masked:
            feeds["keep"] = random.random((batch, time)) < 0.5
            feeds["keep"][0] = False
        offered = {each.name for each in session.get_inputs()}
        feeds = {"keep": np.ones((batch, time), bool), **feeds}
        (made,) = session.run(None, {n: v for n, v in feeds.items() if n in offered})
        (right,) = forward(**{n: v for n, v in feeds.items() if masked or n != "keep"}).values()
        assert_close(made, right, what=f"{batch} of {time}", times=10)


FACTORS = """
cell Mixing(n: int) {
    input x: float[batch, n]
    state h: float[batch, n] = 0.1
    memory = concat([h[:, none, :], x[:, none, :]], axis = 1)
    h' = 0.3 * tanh(Linear(n)(0.7 * x)) + attention(h[:, none, :], memory, memory)[:, 0, :] / 3
    return h'
}

model M {
    param by: float[] = 0.3
    param row: float[1] = 0.9
    input x: float[batch, time, 3]
    target t: float[batch, 3]
    a = attention(x, x / 1.3, x)
    b = by * x @ (row * rearrange(x, "a b c -> a c b") / sqrt(0.7))
    c, last = scan(Mixing(3), x)
    d = x -> MultiheadAttention(3, 1) -> LayerNorm -> gelu
    y = mean(a + c + d, axis = 1)
    output a, b, c, d, last, y
    loss mse(y, t) * 1.1
}

train {
    optimizer sgd(lr = 0.3, momentum = 0.9)
    clip norm(0.3)
    batch 4
    steps 12
}
"""


def test_no_factor_becomes_a_float32(tmp_path: Path) -> None:
    """onnxruntime moves scalars into matrix products, as attributes in float32."""
    spec = loads(FACTORS).built
    file = tmp_path / "model.onnx"
    model = spec.trains[-1].model
    write_onnx(model, spec, file, "float64")
    forward = Forward(model, dtype="float64")
    batch = batch_of(forward.graph, 5, "float64")
    session = session_of(file)
    names = [each.name for each in session.get_outputs()]
    made = dict(zip(names, session.run(names, batch), strict=True))
    for name, right in forward(**batch).items():
        assert_close(made[name], right, what=name, tolerance=1e-14)


def test_no_factor_of_a_step_becomes_a_float32(tmp_path: Path) -> None:
    spec = loads(FACTORS).built
    train = spec.trains[-1]
    file = tmp_path / "step.onnx"
    write_onnx_step(spec, file, "float64", None, None)
    _, state = steps(session_of(file), train, 12, "float64")
    learner = Learner(train, seed=train.seed, dtype="float64")
    for step in range(12):
        learner.step(batch_of(learner.graph, 4 + step, "float64", seed=step))
    for name, values in changed(learner).items():
        assert_close(state[name], values, what=name, tolerance=1e-13)


HEADED = """
model M {
    input x: float[batch, time, 8], keep: bool[batch, time]
    a = x -> MultiheadAttention(8, 2, p = 0.3)(mask = keep)
    b = attention(x, x, x, causal_mask(size(x, axis = time)), scale = 0.2, p = 0.1)
    c = attention(x[:, 0], x[0], x[0])
    output a, b, c
}
"""


def test_attention_is_one_operator_from_opset_23(tmp_path: Path) -> None:
    """Where stacks of heads have it; in inference no weight is dropped."""
    model = loads(HEADED).model("M")
    random = np.random.default_rng(0)
    feeds: dict[str, Any] = {"x": random.standard_normal((3, 5, 8)).astype("float32")}
    feeds["keep"] = random.random((3, 5)) < 0.5
    feeds["keep"][0] = False  # nothing to attend to
    right = model.compile()(**feeds)
    for opset, count in ((22, 0), (23, 2)):
        file = tmp_path / f"{opset}.onnx"
        write_onnx(model.built, None, file, opset=opset)
        kinds = [node.op_type for node in onnx.load(file).graph.node]
        assert kinds.count("Attention") == count
        for run in (session_of(file).run, ReferenceEvaluator(onnx.load(file)).run):
            made: list[Any] = list(run(["a", "b", "c"], feeds))
            for name, array in zip("abc", made, strict=True):
                assert_close(array, right[name], what=f"{name} in opset {opset}")


def test_the_interface_writes_what_the_command_writes(tmp_path: Path) -> None:
    pipeline.export(FOLDER / "iris.nn", to="onnx", output=tmp_path / "a.onnx")
    specc.load(str(FOLDER / "iris.nn")).model().export(tmp_path / "b.onnx")
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_an_export_loads_neither_torch_nor_onnxruntime(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom specc.cli import main\n"
        "main(['export', 'specs/lenet.nn', '--to', 'onnx', '-o', sys.argv[1]])\n"
        "print(*({'torch', 'onnxruntime', 'scipy', 'sklearn'} & set(sys.modules)))"
    )
    words = [sys.executable, "-c", script, str(tmp_path / "m.onnx")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1] == ""


def test_large_weights_go_beside_the_file(tmp_path: Path) -> None:
    model = load(str(FOLDER / "lenet.nn")).trains[-1].model
    forward = Forward(model)
    made = model_of(lower(pipeline.forward(model)), Form("float32", weights=forward.weights))
    files.save(made, tmp_path / "model.onnx", write_atomically, inside=1000)
    (beside,) = tmp_path.glob("model.*.data")
    assert beside.stat().st_size > (tmp_path / "model.onnx").stat().st_size
    onnx.checker.check_model(str(tmp_path / "model.onnx"), full_check=True)
    batch = batch_of(forward.graph, 2, "float32")
    (logits,) = session_of(tmp_path / "model.onnx").run(None, batch)
    assert_close(logits, forward(**batch)["logits"], what="lenet with its weights beside it")


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"to": "onx"}, "B101"),
        ({"to": "onnx", "opset": 17}, "C006"),
        ({"to": "onnx", "opset": 24}, "C006"),
        ({"to": "numpy", "opset": 21}, "C006"),
    ],
)
def test_what_can_t_be_written_is_refused(options: Mapping, code: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        pipeline.export(FOLDER / "xor.nn", output=tmp_path / "m.onnx", **options)
    assert caught.value.diagnostics[0].code == code
    assert not list(tmp_path.iterdir())


def test_a_step_needs_a_train_block(tmp_path: Path) -> None:
    spec = tmp_path / "m.nn"
    spec.write_text("model M {\n    input x: float[batch, 2]\n    output x -> Linear(2)\n}\n")
    with pytest.raises(SpecError, match="no train block"):
        pipeline.export(spec, to="onnx-train", output=tmp_path / "m.onnx")


def changed(learner: Learner) -> dict[str, np.ndarray]:
    """The parameters that a step changes: all that isn't frozen."""
    return {each.name: learner.parameters[each.name] for each in trained(learner.train)}


# ── a training step ──────────────────────────────────────────────────────────────────────────────
def steps(session: ort.InferenceSession, train: Train, count: int, dtype: str):
    """What a loop of a reader's own would do: results become inputs."""
    taken = [each.name for each in session.get_inputs()]
    taken += [each.name for each in session.get_overridable_initializers()]
    given = [each.name for each in session.get_outputs()]
    state: dict[str, np.ndarray] = {}
    losses: list[float] = []
    for step in range(count):
        seed = "seed_" if "seed_" in taken else "seed"
        own = {"step": np.array(step), seed: np.array(train.seed)}
        feeds = own | batch_of(step_graph(train), 4 + step, dtype, seed=step) | state
        feeds |= begun(train.model, 4 + step, dtype)  # a larger batch's streams begin anew
        made: list[Any] = list(session.run(given, {n: feeds[n] for n in taken if n in feeds}))
        results = dict(zip(given, made, strict=True))
        state = {n.removesuffix("'"): v for n, v in results.items() if n.endswith("'")}
        losses.append(float(results["loss_" if "loss_" in results else "loss"]))
    return losses, state


@every
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-4), ("float64", 1e-11)])
def test_the_step_trains_as_numpy_does(
    path: Path, dtype: str, tolerance: float, tmp_path: Path
) -> None:
    file = tmp_path / "step.onnx"
    train = exported_step(path, file, dtype)
    losses, state = steps(session_of(file), train, 5, dtype)
    learner = Learner(train, seed=train.seed, dtype=dtype)
    for step, loss in enumerate(losses):
        reported = learner.step(batch_of(learner.graph, 4 + step, dtype, seed=step))
        assert loss == pytest.approx(reported["loss"], rel=tolerance)
    for name, values in {**changed(learner), **learner.optimizer_states()}.items():
        assert_close(state[name], values, what=f"{path.stem}: {name}", tolerance=tolerance)


@pytest.mark.parametrize("path", SPECS[:3], ids=lambda path: path.stem)
def test_the_standard_s_own_evaluator_trains_too(path: Path, tmp_path: Path) -> None:
    file = tmp_path / "step.onnx"
    train = exported_step(path, file, "float64")
    model = onnx.load(file)
    held = {each.name: onnx.numpy_helper.to_array(each) for each in model.graph.initializer}
    batch = batch_of(step_graph(train), 4, "float64")
    offered = {**held, **batch, "step": np.array(0), "seed": np.array(train.seed)}
    feeds = {each.name: offered[each.name] for each in model.graph.input}
    names = [each.name for each in model.graph.output]
    results = dict(zip(names, ReferenceEvaluator(model).run(names, feeds), strict=True))
    learner = Learner(train, seed=train.seed, dtype="float64")
    learner.step(batch)
    for name, values in changed(learner).items():
        assert_close(np.asarray(results[f"{name}'"]), values, what=f"{path.stem}: {name}")


FROZEN = """
model M {
    param unread: float[2] = 1
    input pair: float[batch, 2]
    target yes: float[batch]
    h = pair -> Linear(6) as a -> BatchNorm() as norm -> tanh
    p = (h -> Linear(1) as b)[:, 0]
    output p, pair * unread
    loss mse(p, yes)
}

train {
    freeze "a.*"
    optimizer adam(lr = 0.01)
    seed 3
}
"""


@pytest.mark.parametrize("frozen", [False, True])
def test_the_script_of_the_handbook_trains(frozen: bool, tmp_path: Path) -> None:
    """And what it saves, specc reads."""
    page = (ROOT / "docs" / "onnx.md").read_text()
    (script,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "train.py").write_text(script)
    spec = tmp_path / "m.nn"
    spec.write_text(FROZEN if frozen else (FOLDER / "xor.nn").read_text())
    pipeline.export(spec, to="onnx-train", output=tmp_path / "step.onnx")
    pair = np.array([[0, 0], [0, 1], [1, 0], [1, 1]] * 64, np.float32)
    yes = (pair[:, 0] != pair[:, 1]).astype(np.float32)
    np.savez(tmp_path / "table.npz", pair=pair, yes=yes)
    words = [sys.executable, "train.py", "step.onnx", "table.npz", "w.safetensors"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    losses = [float(line.split()[-1]) for line in done.stdout.splitlines()]
    assert losses[-1] < 0.8 * losses[0]
    model = specc.load(str(spec)).model()
    trained = model.compile(weights=tmp_path / "w.safetensors")
    begun = initial_weights(model.built, 3 if frozen else built(spec).trains[-1].seed, "float32")
    assert trained.weights.keys() == begun.keys()
    for name, values in trained.weights.items():
        moves = not (frozen and name.startswith(("a.", "unread")))
        assert (values != begun[name]).any() == moves, name
