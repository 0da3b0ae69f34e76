"""Guidance of conditions by themselves: each has a weight of its own."""

from collections.abc import Mapping
from typing import Self

import tensorflow as tf

from pdm_tf.config.conditioning import read_values
from pdm_tf.denoisers.conditioning import as_labels, without
from pdm_tf.denoisers.denoiser import Carry, Denoiser, Prediction, Wrapper
from pdm_tf.diffusion import NoiseLevel
from pdm_tf.errors import SettingError


class EachGuided(Wrapper):
    """x + sum over conditions i of (w_i - 1)·(x - x without i), in x.

    A model of one condition is guided so as by classifier-free guidance of the weight
    w_i (arXiv 2207.12598): its estimate without it is the unconditional one. Where
    nothing is known of a picture, nothing is added.

    Args:
      denoise: a denoiser with `conditions`.
      weights: w_i, by the names of `Conditions.parts`; 1 is none.
    """

    def __init__(self, denoise: Denoiser, weights: Mapping[str, float]) -> None:
        super().__init__(denoise)
        self.weights, self.labels = dict(weights), None

    def conditioned(self, labels: tf.Tensor | None = None) -> Self:
        made = self.wrapping(self.denoise.conditioned(labels))
        made.labels = None if labels is None else as_labels(self, labels)
        return made

    def init_carry(self, z: tf.Tensor) -> tuple:
        """That of the estimate itself, and of the one without each condition."""
        return tuple(self.denoise.init_carry(z) for _ in range(1 + len(self.weights)))

    def predict(
        self, z: tf.Tensor, level: NoiseLevel, carry: tuple
    ) -> tuple[Prediction, Carry]:
        own, *others = carry
        prediction, own = self.denoise.predict(z, level, own)
        if self.labels is None:
            return prediction, (own, *others)
        x, kept = prediction.x, []
        for (name, weight), other in zip(self.weights.items(), others, strict=True):
            rest = self.denoise.conditioned(without(self, self.labels, name))
            (left, _), other = rest.predict(z, level, other)
            x = x + (weight - 1.0) * (prediction.x - left)
            kept.append(other)
        return prediction._replace(x=x), (own, *kept)


def each_guided(denoise: Denoiser, given: tuple[str, ...]) -> Denoiser:
    """The denoiser, guided by weights of conditions: itself where none is given.

    Args:
      denoise: a denoiser, not conditioned yet.
      given: weights as NAME=WEIGHT, the names those of its conditions.

    Raises:
      SettingError: it has no such condition or guides by itself; a weight is no number.
    """
    if not given:
        return denoise
    setting, conditions = "guidance_each", denoise.conditions
    if conditions is None:
        remedy = "the model has no attributes and no several labels; leave it out"
        raise SettingError(setting, ",".join(given), remedy)
    if denoise.distilled_guidance is not None:
        remedy = "the model guides by itself already; leave it out"
        raise SettingError(setting, ",".join(given), remedy)
    weights = {
        name: values[0]
        for name, values in read_values(setting, given, list(conditions.parts)).items()
        if values != [1.0]
    }
    return EachGuided(denoise, weights) if weights else denoise
