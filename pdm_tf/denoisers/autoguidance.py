"""Autoguidance: a worse version of a model guides it (arXiv 2406.02507)."""

from collections.abc import Callable, Mapping
from typing import Self

import tensorflow as tf

from pdm_tf.denoisers.denoiser import Denoiser, Wrapper
from pdm_tf.errors import InputError


class WithGuide(Wrapper):
    """A denoiser that brings what guidance leads away from.

    By itself it is the denoiser. Guided, the place of the unconditional estimate has
    the guide's, which is conditioned on the same classes: w·D1 - (w - 1)·D0.

    Args:
      denoise: D1, the better one.
      guide: D0, of the same pictures and classes: trained for less time, smaller, or
        spoilt.

    Raises:
      InputError: a guide of other pictures, classes or levels.
    """

    def __init__(self, denoise: Denoiser, guide: Denoiser) -> None:
        super().__init__(denoise)
        for name in ("image_shape", "num_classes", "conditions", "schedule"):
            if getattr(denoise, name) != getattr(guide, name):
                raise InputError(f"the guide is of another {name} than the model")
        self._guide = guide

    @property
    def guide(self) -> Denoiser | None:
        return self._guide

    @property
    def variables(self) -> Mapping[str, tf.Variable]:
        of_guide = self._guide.variables.items()
        return {**self.denoise.variables, **{f"guide.{n}": v for n, v in of_guide}}

    def with_constant_weights(self) -> Self:
        made = super().with_constant_weights()
        made._guide = self._guide.with_constant_weights()
        return made

    def map_innermost(self, change: Callable[[Denoiser], Denoiser]) -> Self:
        made = super().map_innermost(change)
        made._guide = self._guide.map_innermost(change)
        return made


def with_guide(denoise: Denoiser, guide: Denoiser) -> Denoiser:
    """The denoiser, which guidance leads away from what another one estimates."""
    return WithGuide(denoise, guide)
