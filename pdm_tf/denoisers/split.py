"""Model splitting: specialists for ranges of noise (section 4.1)."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import tensorflow as tf

from pdm_tf.config import InputError
from pdm_tf.denoisers.denoiser import Denoiser, Prediction, StatefulDenoiser
from pdm_tf.diffusion import NoiseLevel


class Split(StatefulDenoiser):
    """Evaluates the one part in whose range of noise the level lies."""

    def __init__(self, parts: Sequence[Denoiser], snrs: Sequence[float]) -> None:
        _check(parts, snrs)
        self.members, self.snrs = tuple(parts), tuple(snrs)
        first = parts[0]
        self.image_shape, self.schedule = first.image_shape, first.schedule
        self.num_classes, self.conditions = first.num_classes, first.conditions

    @property
    def variables(self) -> Mapping[str, tf.Variable]:
        return {
            f"part_{i}_{name}": variable
            for i, part in enumerate(self.members)
            for name, variable in part.variables.items()
        }

    def conditioned(self, labels: tf.Tensor | None = None) -> "Split":
        return Split([part.conditioned(labels) for part in self.members], self.snrs)

    def at_guidance(self, weight: float | tf.Tensor) -> "Split":
        return Split([part.at_guidance(weight) for part in self.members], self.snrs)

    def with_constant_weights(self) -> "Split":
        constant = [part.with_constant_weights() for part in self.members]
        return Split(constant, self.snrs)

    def map_innermost(self, change: Callable[[Denoiser], Denoiser]) -> "Split":
        return Split([part.map_innermost(change) for part in self.members], self.snrs)

    def init_carry(self, z: tf.Tensor) -> tuple:
        return tuple(part.init_carry(z) for part in self.members)

    def predict(
        self, z: tf.Tensor, level: NoiseLevel, carry: tuple
    ) -> tuple[Prediction, tuple]:
        # How many boundaries lie above the level: the part's index.
        bounds = tf.constant([math.log(snr) for snr in self.snrs], tf.float32)
        below = level.log_snr[..., None] < bounds
        index = tf.reduce_sum(tf.cast(below, tf.int32), axis=-1)
        numbers = range(len(self.members))
        if index.shape.rank == 0:
            branches = [lambda i=i: self._part(i, z, level, carry) for i in numbers]
            return tf.switch_case(index, branches)
        # Levels of one batch may need all parts: each is evaluated, one is taken.
        chosen = self._part(0, z, level, carry)
        for i in numbers[1:]:
            other = self._part(i, z, level, carry)
            chosen = tf.nest.map_structure(partial(_rows, index == i), other, chosen)
        return chosen

    def _part(
        self, i: int, z: tf.Tensor, level: NoiseLevel, carry: tuple
    ) -> tuple[Prediction, tuple]:
        prediction, own = self.members[i].predict(z, level, carry[i])
        return prediction, (*carry[:i], own, *carry[i + 1 :])


def _rows(here: tf.Tensor, new: Any, old: Any) -> tf.Tensor:
    """The rows of `new` where it is here, else those of `old`."""
    wide = tf.reshape(here, [-1] + [1] * (new.shape.rank - 1))
    return tf.where(wide, new, old)


def _check(parts: Sequence[Denoiser], snrs: Sequence[float]) -> None:
    falling = list(snrs) == sorted(set(snrs), reverse=True)
    if len(snrs) != len(parts) - 1 or not falling or min(snrs, default=1.0) <= 0:
        raise InputError(
            f"split of {len(parts)} parts at SNR {list(snrs)}: give "
            f"{len(parts) - 1} boundaries above 0, falling, least noisy part first"
        )
    for i, part in enumerate(parts[1:], start=2):
        for name in ("image_shape", "num_classes", "conditions", "schedule"):
            first, other = getattr(parts[0], name), getattr(part, name)
            if first != other:
                shown = "" if name == "schedule" else f": {first} and {other}"
                raise InputError(f"split: parts 1 and {i} differ in {name}{shown}")


def split(*parts: Denoiser, snr: float | Sequence[float]) -> Denoiser:
    """One denoiser out of specialists; evaluates only the one whose level it is.

    A level with exactly the boundary's SNR belongs to the less noisy part. Parts may
    differ in patch size and width.

    Args:
      *parts: denoisers, least noisy first.
      snr: the boundaries between them, falling; one number for two parts.

    Raises:
      InputError: boundaries that leave gaps or overlap, or parts that differ in
        picture shape, classes or schedule.
    """
    snrs = [snr] if isinstance(snr, int | float) else list(snr)
    return Split(parts, snrs)
