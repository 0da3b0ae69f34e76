"""MLflow: a run of its own for each run directory, resumed with it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pdm_tf.storage.files import write_text

_KNOWN_BY = "mlflow_run.txt"  # in the run directory


class MlflowReports:
    """Curves, pictures and settings in MLflow; where, MLFLOW_TRACKING_URI says."""

    def __init__(self, run_dir: Path) -> None:
        import mlflow

        self._mlflow: Any = mlflow
        place = run_dir / _KNOWN_BY
        if place.is_file():
            mlflow.start_run(run_id=place.read_text("utf-8").strip())
        else:
            run = mlflow.start_run(run_name=run_dir.name)
            write_text(place, run.info.run_id)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Values of curves after so many steps."""
        self._mlflow.log_metrics(dict(values), step=step)

    def picture(self, step: int, name: str, picture: np.ndarray) -> None:
        """A picture, uint8 [H, W, C]."""
        self._mlflow.log_image(picture, f"{name}/step_{step:06d}.png")

    def text(self, step: int, name: str, text: str) -> None:
        """A text, as a file of the run."""
        self._mlflow.log_text(text, f"{name}.md")

    def close(self) -> None:
        """Ends its run."""
        self._mlflow.end_run()


def open_own(run_dir: Path) -> MlflowReports:
    """That of a run."""
    return MlflowReports(run_dir)
