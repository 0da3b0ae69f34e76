"""Which evaluations of a trajectory are key steps, those that compute everything.

A rule maps timesteps and a phase, both int32 [B], to what is due and the next phase. A
phase of 0 means: nothing was computed yet.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import tensorflow as tf

from pdm_tf.diffusion import NoiseSchedule
from pdm_tf.errors import SettingError


class KeySteps(Protocol):
    """A rule that tells key steps from the others."""

    @property
    def always(self) -> bool:
        """Whether every evaluation is a key step."""

    def __call__(self, t: tf.Tensor, phase: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """What is due, bool [B], at timesteps t, and the phase after it."""


@dataclass(frozen=True)
class EveryNth:
    """Evaluation 0, N, 2N, … of a trajectory."""

    count: int

    def __post_init__(self) -> None:
        if self.count < 1:
            raise SettingError("every", self.count, "at least 1 is needed")

    @property
    def always(self) -> bool:
        return self.count == 1

    def __call__(self, t: tf.Tensor, phase: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.equal(phase % self.count, 0), phase + 1


@dataclass(frozen=True)
class AtTimesteps:
    """The first evaluation at or beyond each of some timesteps, for any grid.

    An evaluation is a key step where a key timestep lies between its t and that of the
    evaluation before it.

    Attributes:
      keys: timesteps.
      timesteps: T of the schedule.
    """

    keys: tuple[int, ...]
    timesteps: int

    @property
    def always(self) -> bool:
        return set(self.keys) >= set(range(self.timesteps))

    @cached_property
    def passed(self) -> np.ndarray:
        """One more than the key timesteps at or above each t, int32 [T]."""
        above = [sum(key >= t for key in self.keys) for t in range(self.timesteps)]
        return np.asarray(above, np.int32) + 1

    def __call__(self, t: tf.Tensor, phase: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        passed = tf.gather(tf.constant(self.passed), t)
        return tf.not_equal(passed, phase), passed


def at_steps(schedule: NoiseSchedule, steps: int, keys: Sequence[int]) -> AtTimesteps:
    """Key steps given as indices into a uniform grid, noisiest first.

    Args:
      schedule: that of the model.
      steps: number of levels of the grid.
      keys: indices from 0 to steps - 1.

    Raises:
      InputError: a number of steps that does not fit the schedule.
    """
    grid = schedule.grid(steps).t.numpy()
    return AtTimesteps(
        tuple(int(grid[key]) for key in sorted(set(keys))), schedule.timesteps
    )


def spread_by_power(
    steps: int, count: int, power: float, centre: int
) -> tuple[int, ...]:
    """Indices of key steps that lie densest about a centre (arXiv 2312.00858).

    u = sign(w) |w|^power + centre for equally spaced w. Where rounded indices coincide
    the power is lowered, to 1 at least, which spaces them evenly.

    Args:
      steps: steps in all.
      count: key steps among them.
      power: 1 or more.
      centre: from 0 to steps.

    Returns:
      `count` indices, ascending, the first of them 0.
    """
    while True:
        first, last = centre ** (1 / power), (steps - centre) ** (1 / power)
        w = np.linspace(-first, last, count + 1)
        # A negative number to a broken power would be complex: only sizes are raised.
        u = np.sign(w) * np.abs(w) ** power + centre
        indices = {0, *(round(float(value)) for value in u[1:-1])}
        if (len(indices) == count and max(indices) < steps) or power == 1.0:
            return tuple(sorted(indices))
        power = max(power - 0.02, 1.0)
