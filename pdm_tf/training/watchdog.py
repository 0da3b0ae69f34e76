"""Stops a training whose loss or weights are no numbers any more."""

import math
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from pdm_tf.errors import SettingError
from pdm_tf.storage.files import write_json
from pdm_tf.training.checkpoints import Checkpoints
from pdm_tf.training.metrics import Metrics


class Diverged(SettingError):
    """The loss or the weights are not finite; says since when, and where first."""


class Watchdog:
    """Counts steps in a row that went wrong.

    Args:
      limit: so many stop the training; 0: none do.
      variables: what learns, by name, in the order of the gradients.
      checkpoints: where the good ones lie, and the diagnostic one beside them.
    """

    def __init__(
        self,
        limit: int,
        variables: Mapping[str, tf.Variable],
        checkpoints: Checkpoints,
    ) -> None:
        self._limit, self._variables = limit, variables
        self._checkpoints, self._bad = checkpoints, 0
        self._since = 0
        self._first: Metrics | None = None

    def look(self, step: int, metrics: Metrics) -> bool:
        """Looks at the metrics of one call, which ended at a step.

        Returns:
          Whether the training has gone wrong for too long.
        """
        steps, bad = round(float(metrics.steps)), round(float(metrics.bad_steps))
        if not bad:
            self._bad = 0
            return False
        if not self._bad:
            self._since, self._first = step - bad + 1, metrics
        self._bad = self._bad + bad if bad == steps else bad
        return bool(self._limit) and self._bad >= self._limit

    def is_sound(self) -> bool:
        """Whether the weights are fit to be kept."""
        return not self._bad or self._broken() is None

    def _broken(self) -> str | None:
        """Path of the first variable that is not finite."""
        for path, variable in self._variables.items():
            if not np.all(np.isfinite(variable.read_value().numpy())):
                return path
        return None

    def report(self, step: int) -> Diverged:
        """Saves a diagnostic checkpoint and says what went wrong first."""
        run_dir = self._checkpoints.directory.parent
        found = {
            "first_bad_step": self._since,
            "stopped_at_step": step,
            "quartile": self._bucket(),
            "first_bad_gradient": self._first_gradient(),
            "first_bad_weight": self._broken(),
        }
        try:
            self._checkpoints.save_beside(run_dir / "diagnostic")
            path = run_dir / "diagnostic"
            if path.is_dir():
                write_json(path / "report.json", found)
            kept = f"the state is in {path}"
        except OSError as error:
            kept = f"the state could not be saved ({error.strerror})"
        gradient = found["first_bad_gradient"]
        affected = f"the gradient of {gradient}" if gradient else "no gradient"
        weight = found["first_bad_weight"]
        weights = f"the weights of {weight}" if weight else "the weights are sound"
        return Diverged(
            "run_dir",
            run_dir,
            f"loss or gradients not finite since step {self._since}, stopped at "
            f"{step}; first affected: {found['quartile']}, {affected}, {weights}; "
            f"{kept}, good checkpoints are as they were; lower `learning_rate`, set "
            "`clip_norm=1` or `precision=float32`, and the same command goes on from "
            "the last good one",
        )

    def _bucket(self) -> str:
        counts = self._first.bad_buckets.numpy() if self._first else np.zeros(1)
        if not counts.any():
            return "no SNR quartile (all losses were finite)"
        if np.all(counts > 0):
            return "all SNR quartiles"
        worst = int(np.argmax(counts))
        return f"SNR quartile {worst + 1} of {len(counts)} (1: least noise)"

    def _first_gradient(self) -> str | None:
        index = float(self._first.bad_variable) if self._first else 0.0
        if not math.isfinite(index) or round(index) < 1:
            return None
        return list(self._variables)[round(index) - 1]
