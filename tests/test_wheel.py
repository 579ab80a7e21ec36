"""The wheel stands alone: built, installed into an empty environment, it trains a spec there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import numpy
import pytest

ROOT = Path(__file__).parent.parent
NEEDED = ("lark", "numpy", "rich", "safetensors", "markdown_it", "mdurl", "pygments")
ABSENT = ("torch", "onnx", "onnxruntime", "sklearn", "scipy", "pyarrow")

SPEC = """
model Line {
    input  x: float[batch, 2]
    target y: float[batch]
    prediction = (x -> Linear(1) as line)[:, 0]
    output prediction
    loss   mse(prediction, y)
}
data Points {
    source npz("points.npz")
}
train {
    data      Points
    optimizer sgd(lr = 0.1)
    epochs    200
}
expect train.loss < 1e-3
expect parameters == 3
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The wheel and the source distribution."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout
    (wheel,) = folder.glob("*.whl")
    (source,) = folder.glob("*.tar.gz")
    return {"wheel": wheel, "sdist": source}


def carried(folder: str) -> set[str]:
    """What a distribution must hold of the package, as paths within it."""
    files = [*ROOT.glob("specc/std/*"), *ROOT.glob("specc/codes/*.md"), ROOT / "specc/py.typed"]
    files += [file for file in ROOT.rglob("specc/**/*.py") if "__pycache__" not in file.parts]
    files.append(ROOT / "specc/language/tables.json")
    return {folder + file.relative_to(ROOT).as_posix() for file in files if file.is_file()}


def test_the_wheel_carries_the_grammar_and_the_library(built: dict[str, Path]) -> None:
    with zipfile.ZipFile(built["wheel"]) as wheel:
        names = set(wheel.namelist())
    assert carried("") | {"specc/grammar/nn.lark"} <= names
    assert not [name for name in names if name.startswith(("tests/", "specs/", "docs/"))]


def test_the_source_distribution_carries_all(built: dict[str, Path]) -> None:
    with tarfile.open(built["sdist"]) as archive:
        names = set(archive.getnames())
    top = built["sdist"].name.removesuffix(".tar.gz") + "/"
    wanted = {top + name for name in ("grammar/nn.lark", "Makefile", "LICENSE", "specs/digits.nn")}
    assert carried(top) | wanted <= names


@pytest.fixture(scope="module")
def python(built: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that holds the wheel and what it depends on, no more."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    interpreter = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    found = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(subprocess.check_output([interpreter, "-c", found], text=True).strip())
    command = [sys.executable, "-m", "pip", "--python", str(interpreter), "install", "--quiet"]
    subprocess.run([*command, "--no-deps", "--no-index", str(built["wheel"])], check=True)
    here = Path(numpy.__file__).parent.parent
    for name in (*NEEDED, "numpy.libs"):
        if (here / name).exists():
            (packages / name).symlink_to(here / name, target_is_directory=True)
    return interpreter


def test_a_spec_trains_outside_the_checkout(python: Path, tmp_path: Path) -> None:
    rng = numpy.random.default_rng(0)
    x = rng.normal(size=(64, 2))
    numpy.savez(tmp_path / "points.npz", x=x, y=x @ [2.0, -1.0] + 0.5)
    (tmp_path / "line.nn").write_text(SPEC)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}

    def specc(*words: str) -> subprocess.CompletedProcess[str]:
        command = [python.with_name("specc"), *words]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True
        )

    for name in ABSENT:
        done = subprocess.run([python, "-I", "-c", f"import {name}"], capture_output=True)
        assert done.returncode != 0, f"{name} should be absent"
    done = specc("run", "line.nn", "--out", "out", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)
    assert list((tmp_path / "out").rglob("*.safetensors"))
    done = specc("export", "line.nn", "--to", "numpy", "-o", "line.py")
    assert done.returncode == 0, done.stderr
    for words in (("check", "line.nn"), ("show", "line.nn"), ("explain", "C001")):
        done = specc(*words)
        assert done.returncode == 0, done.stderr
