"""Stops a training that has gone wrong, and says which of its states may be kept.

Two ways of going wrong are known: numbers that are none, and numbers that have grown
far beyond all that the training itself had before.
"""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from pdm_tf.errors import SettingError
from pdm_tf.storage.files import write_json
from pdm_tf.training.checkpoints import Checkpoints
from pdm_tf.training.history import LossHistory, WeightHistory
from pdm_tf.training.metrics import Metrics

REPORT = "report.json"  # in RUN_DIR/diagnostic
_PATIENCE = 20  # skipped steps, or wild losses, that the end of a training may have


class Diverged(SettingError):
    """The loss or the weights are no use any more; says since when, and where first."""


class Watchdog:
    """Counts steps in a row that went wrong, and knows what came before.

    Args:
      limit: so many stop the training; 0: none do.
      variables: what learns, by name, in the order of the gradients; as they are before
        the first step.
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
        self._skipped = 0  # steps in a row that changed nothing
        self._since = 0
        self._first: Metrics | None = None
        self._losses, self._weights = LossHistory(), WeightHistory(variables)

    def look(self, step: int, metrics: Metrics) -> bool:
        """Looks at the metrics of one call, which ended at a step.

        Returns:
          Whether the training has gone wrong for too long.
        """
        steps, bad = round(float(metrics.steps)), round(float(metrics.bad_steps))
        skipped = max(round(float(metrics.skipped_steps)), bad)
        self._skipped = _in_a_row(self._skipped, skipped, steps)
        if not skipped:
            loss = float(next(iter(metrics.terms.values())) / metrics.steps)
            self._losses.add(step, steps, loss)
        if bad and not self._bad:
            self._since, self._first = step - bad + 1, metrics
        self._bad = _in_a_row(self._bad, bad, steps)
        longest = max(self._bad, self._losses.beyond)
        return bool(self._limit) and longest >= self._limit

    def is_quiet(self) -> bool:
        """Whether the state may be kept: no step skipped just now, weights sound."""
        return not self._skipped and not self._losses.beyond and self.is_sound()

    def is_calm(self) -> bool:
        """Whether nothing at all is unusual, so that this state is worth pinning."""
        return not self._losses.raised and not self._weights.raised

    def is_sound(self) -> bool:
        """Whether the weights are fit to be kept, at the end of a training too."""
        longest = max(self._skipped, self._losses.beyond)
        return longest < max(self._limit, _PATIENCE) and self._weights.look()

    def report(self, step: int) -> Diverged:
        """Saves a diagnostic checkpoint and says what went wrong first."""
        run_dir = self._checkpoints.directory.parent
        self._weights.look()
        broken = self._weights.broken()
        found = {
            "first_bad_step": self._since,
            "stopped_at_step": step,
            "quartile": self._bucket(),
            "first_bad_gradient": self._first_gradient(),
            "first_bad_weight": broken,
            "loss": self._losses.words(),
            "weights": self._weights.words(),
        }
        kept = self._keep(run_dir / "diagnostic", found)
        good = self._checkpoints.whole
        again = "begins anew" if good is None else f"goes on from the good step {good}"
        return Diverged(
            "run_dir",
            run_dir,
            f"{self._reason(step, broken)}; {kept}; lower `learning_rate`, set "
            f"`clip_norm=1` or `precision=float32`, and the same command {again}",
        )

    def _reason(self, step: int, broken: str | None) -> str:
        """What went wrong, and since when."""
        if broken is None and not self._bad and not self._skipped:
            grown = self._losses.words() or self._weights.words()
            return f"{grown}, stopped at {step}"
        gradient = self._first_gradient()
        affected = f"the gradient of {gradient}" if gradient else "no gradient"
        weights = f"the weights of {broken}" if broken else "the weights are sound"
        if broken is None and self._weights.raised:
            weights = self._weights.words()
        return (
            f"loss or gradients not finite since step {self._since}, stopped at "
            f"{step}; first affected: {self._bucket()}, {affected}, {weights}"
        )

    def _keep(self, folder: Path, found: dict) -> str:
        """Puts aside the bad state, and those saved after the last good one."""
        try:
            self._checkpoints.save_beside(folder)
            doubtful = self._checkpoints.move_doubtful(folder)
            if folder.is_dir():
                found["last_good_step"] = self._checkpoints.whole
                write_json(folder / REPORT, found)
        except OSError as error:
            return f"the state could not be saved ({error.strerror})"
        moved = f", with {', '.join(doubtful)}" if doubtful else ""
        return f"the state is in {folder}{moved}"

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


def _in_a_row(before: int, bad: int, steps: int) -> int:
    """Bad steps in a row after a call of so many, of which these were bad."""
    return before + bad if bad == steps else bad
