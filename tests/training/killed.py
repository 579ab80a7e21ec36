"""A short run that other processes kill: `python -m tests.training.killed FOLDER [resume]`."""

from __future__ import annotations

import sys
from pathlib import Path

from specc.ir.model import Keep, Patience, Plateau
from specc.training import checkpoint
from specc.training.progress import Lines
from specc.training.run import Options, execute
from tests.training import models


def main(folder: Path, resume: bool) -> int:
    # Within an epoch too, and often: what is tested is that a checkpoint may come at any step.
    checkpoint.INTERVAL_S = 0.02
    train = models.train(
        models.model(32),
        models.data(folder=str(folder)),
        epochs=60,
        batch=4,
        keep=Keep("dev.loss", False),
        stop=Patience("dev.loss", 1000),
        plateaus=(Plateau("dev.loss", 0.5, 3),),
    )
    options = Options(out=folder / "out", resume=resume)
    running = folder / "out" if resume else None
    return execute(models.spec(train), options, Lines(), running).status


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), "resume" in sys.argv))
