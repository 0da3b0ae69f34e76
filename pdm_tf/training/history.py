"""What a training's loss and weights were, against which they are judged now."""

import math
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

_HORIZON = 100  # steps over which the loss is smoothed
_SETTLED = 20  # steps after which a smoothed loss says something
_RAISED, _BEYOND = 10.0, 1000.0  # times the lowest smoothed loss
_ABOVE_START = 30.0  # times the loss of the first steps
_GROWN, _GROWN_FAR = 10.0, 100.0  # times the weights before the first step
_LEAST = 0.1  # root mean square that weights may have grown from, such as from 0


class LossHistory:
    """The smoothed loss, the lowest that it was, and how long it has been beyond that.

    Attributes:
      beyond: steps in a row in which the loss was beyond all bounds.
      raised: whether it is unusual by now.
    """

    def __init__(self) -> None:
        self.beyond, self.raised = 0, False
        self._steps, self._smoothed = 0, math.nan
        self._lowest, self._start = math.inf, math.inf
        self._since, self._last = 0, math.nan

    def add(self, step: int, steps: int, loss: float) -> None:
        """Takes the mean loss of a call of some steps, which ended at a step."""
        if not math.isfinite(loss):
            return
        bound = min(_BEYOND * self._lowest, _ABOVE_START * self._start)
        self.raised = loss > _RAISED * self._lowest
        if loss > bound:
            self._since = self._since if self.beyond else step - steps + 1
            self.beyond, self._last = self.beyond + steps, loss
            return
        self.beyond = 0
        seen = min(self._steps, _HORIZON)
        before = self._smoothed if seen else loss
        self._smoothed = (before * seen + loss * steps) / (seen + steps)
        self._steps += steps
        if self._steps >= _SETTLED:
            self._lowest = min(self._lowest, self._smoothed)
            if math.isinf(self._start):
                self._start = self._smoothed

    def words(self) -> str:
        """How far the loss has gone; empty where it has not."""
        if not self.beyond:
            return ""
        return (
            f"the loss is {self._last:.3g} since step {self._since}, and was "
            f"{self._lowest:.3g} before"
        )


class WeightHistory:
    """The size of weights, beside what it was before the first step.

    Attributes:
      raised: whether they had grown unusually, when last looked at.

    Args:
      variables: by name.
    """

    def __init__(self, variables: Mapping[str, tf.Variable]) -> None:
        self._variables, self.raised = variables, False
        self._start = self._size() or 0.0
        self._now = self._start

    def look(self) -> bool:
        """Whether all weights are finite and have not grown beyond all bounds."""
        self._now = self._size()
        ratio = self._ratio()
        self.raised = not ratio <= _GROWN
        return ratio <= _GROWN_FAR

    def broken(self) -> str | None:
        """Path of the first variable that is not finite."""
        for path, variable in self._variables.items():
            if not np.all(np.isfinite(variable.read_value().numpy())):
                return path
        return None

    def words(self) -> str:
        """How far the weights have grown; empty where they have not."""
        ratio = self._ratio()
        if ratio <= _GROWN_FAR:
            return ""
        return (
            f"the weights have grown to {self._now:.3g} (root mean square), from "
            f"{self._start:.3g} when training began"
        )

    def _ratio(self) -> float:
        return self._now / max(self._start, _LEAST)

    def _size(self) -> float:
        """Root mean square of all weights."""
        total, count = 0.0, 0
        for variable in self._variables.values():
            values = np.asarray(variable.read_value().numpy(), np.float64)
            with np.errstate(over="ignore"):
                total += float(np.sum(np.square(values)))
            count += values.size
        return math.sqrt(total / max(count, 1)) if total >= 0 else math.nan
