"""Weights & Biases: a run of its own for each run directory, resumed with it."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


class WandbReports:
    """Curves, pictures and settings at Weights & Biases, or offline beside the run.

    Project, account and whether anything is sent are its own settings: WANDB_PROJECT,
    WANDB_API_KEY, WANDB_MODE=offline.
    """

    def __init__(self, run_dir: Path) -> None:
        import wandb

        place = str(run_dir.absolute())
        self._wandb: Any = wandb
        self._run = wandb.init(
            id=hashlib.sha256(place.encode()).hexdigest()[:16],
            name=run_dir.name,
            dir=place,
            resume="allow",
        )

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Values of curves after so many steps."""
        self._run.log(dict(values), step=step)

    def picture(self, step: int, name: str, picture: np.ndarray) -> None:
        """A picture, uint8 [H, W, C]."""
        self._run.log({name: self._wandb.Image(picture)}, step=step)

    def text(self, step: int, name: str, text: str) -> None:
        """A text, among the run's settings."""
        self._run.config.update({name: text}, allow_val_change=True)

    def close(self) -> None:
        """Sends what is left."""
        self._run.finish()


def open_own(run_dir: Path) -> WandbReports:
    """That of a run."""
    return WandbReports(run_dir)
