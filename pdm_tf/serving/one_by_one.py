"""A network that another runtime computes, a fixed number of pictures at a time."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pdm_tf.errors import InputError


class OneByOneNetwork(ABC):
    """What a network estimates, one picture at a time.

    So no picture depends on its neighbours: a runtime chooses its kernels by shapes.
    Where it is known to give the same bits, more are taken at once, see `at_once`.

    Args:
      highest: the highest value that an input may have, "t" and "labels", as runtimes
        check nothing themselves, see `highest_inputs`; None: not known.
    """

    def __init__(self, highest: Mapping[str, int] | None = None) -> None:
        self._highest = dict(highest or {})

    def __call__(
        self, z: np.ndarray, t: np.ndarray, labels: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Estimate and variance, both float32 [N, H, W, C].

        Args:
          z: noisy pictures, float32 [N, H, W, C].
          t: timesteps, int32 [N]; of a linear process times, float32 [N].
          labels: int32 [N]; not looked at without classes.

        Raises:
          InputError: a timestep or a label that the model does not have.
        """
        for name, values in (("t", t), ("labels", labels)):
            high = self._highest.get(name)
            if high is not None and np.any((values < 0) | (values > high)):
                raise InputError(f"{name} must be from 0 to {high}, not {values[:8]}")
        x, variance = np.empty_like(z), np.empty_like(z)
        given = {"z": z, "t": t, "labels": labels}
        counts, first = self.at_once(given), 0
        while first < len(z):
            count = next((n for n in counts if n <= len(z) - first), 1)
            rows = slice(first, first := first + count)
            found = self.evaluate({k: v[rows] for k, v in given.items()})
            x[rows] = found["x"]
            # Where it is 1 everywhere, converters may leave the output out.
            variance[rows] = found.get("variance", 1.0)
        return x, variance

    def at_once(self, given: Mapping[str, np.ndarray]) -> Sequence[int]:
        """How many of the pictures given `evaluate` takes besides one, most first."""
        return ()

    @abstractmethod
    def evaluate(self, rows: Mapping[str, np.ndarray]) -> Mapping[str, Any]:
        """`x` and `variance` of one picture, or of a number that `at_once` gives.

        Args:
          rows: z, t and labels of each.
        """


def highest_inputs(description: Mapping[str, Any]) -> dict[str, int]:
    """The highest timestep or time, and label if any, of a described model."""
    steps, classes = description.get("timesteps"), description.get("num_classes")
    found = {"t": steps - 1} if type(steps) is int else {}
    if description.get("schedule", {}).get("process") == "linear":
        found = {"t": 1}  # a time
    return found | ({"labels": classes} if type(classes) is int and classes else {})
