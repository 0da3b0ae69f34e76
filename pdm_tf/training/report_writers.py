"""Who is shown a training's curves, pictures and settings: one protocol for all."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Protocol

import numpy as np
import tensorflow as tf

from pdm_tf.errors import SettingError

# By name, each loading what it needs when it is opened.
SHELF = {
    "tensorboard": "pdm_tf.training.report_writers",
    "wandb": "pdm_tf.training.wandb_reports",
    "mlflow": "pdm_tf.training.mlflow_reports",
}


class Reports(Protocol):
    """Takes what there is to see of a training; of any step again where it resumes."""

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Values of curves after so many steps."""

    def picture(self, step: int, name: str, picture: np.ndarray) -> None:
        """A picture, uint8 [H, W, C]."""

    def text(self, step: int, name: str, text: str) -> None:
        """A text in Markdown, such as all settings."""

    def close(self) -> None:
        """Nothing comes any more."""


class TensorBoardReports:
    """Files in RUN_DIR/logs that TensorBoard shows."""

    def __init__(self, run_dir: Path) -> None:
        self._writer = tf.summary.create_file_writer(str(run_dir / "logs"))

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Values of curves after so many steps."""
        with self._writer.as_default(step=step):
            for name, value in values.items():
                tf.summary.scalar(name, value)
        self._writer.flush()

    def picture(self, step: int, name: str, picture: np.ndarray) -> None:
        """A picture, uint8 [H, W, C]."""
        with self._writer.as_default(step=step):
            tf.summary.image(name, picture[None])
        self._writer.flush()

    def text(self, step: int, name: str, text: str) -> None:
        """A text in Markdown."""
        with self._writer.as_default(step=step):
            tf.summary.text(name, text)
        self._writer.flush()

    def close(self) -> None:
        """Ends the file."""
        self._writer.close()


class AllReports:
    """Several at once, of which none can end a training.

    Args:
      members: by their names.
    """

    def __init__(self, members: Mapping[str, Reports]) -> None:
        self._members = dict(members)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Values of curves after so many steps."""
        self._each(lambda one: one.scalars(step, values))

    def picture(self, step: int, name: str, picture: np.ndarray) -> None:
        """A picture, uint8 [H, W, C]."""
        self._each(lambda one: one.picture(step, name, picture))

    def text(self, step: int, name: str, text: str) -> None:
        """A text in Markdown."""
        self._each(lambda one: one.text(step, name, text))

    def close(self) -> None:
        """Ends all of them."""
        self._each(lambda one: one.close())

    def _each(self, show: Callable[[Reports], None]) -> None:
        for name, one in self._members.items():
            with _warning(name):
                show(one)


@contextlib.contextmanager
def _warning(name: str) -> Iterator[None]:
    """A full disk or a service that is away costs curves, not the training."""
    try:
        yield
    except Exception as error:  # whatever it is
        print(f"\nwarning: {name} was not written to: {error}", file=sys.stderr)


def check_reports(names: Sequence[str]) -> None:
    """Raises SettingError for names of nobody."""
    if unknown := sorted(set(names) - SHELF.keys()):
        remedy = f"{unknown[0]} is none of {', '.join(SHELF)}"
        raise SettingError("reports", tuple(names), remedy)


def open_reports(names: Sequence[str], run_dir: Path) -> AllReports:
    """Those of some names, for a run.

    Raises:
      SettingError: a name of nobody.
      ModuleNotFoundError: one whose package is not installed.
    """
    check_reports(names)
    return AllReports(
        {name: import_module(SHELF[name]).open_own(run_dir) for name in names}
    )


def open_own(run_dir: Path) -> Reports:
    """TensorBoard's, for a run."""
    return TensorBoardReports(run_dir)
