"""Denoisers that were taught to need fewer evaluations: what sampling must know."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from pdm_tf.config.sampling import SamplerDefault
from pdm_tf.denoisers.denoiser import Carry, Denoiser, Prediction, Wrapper
from pdm_tf.diffusion import NoiseLevel
from pdm_tf.errors import InputError

_SIGMA_DATA, _SCALE = 0.5, 10.0  # of the boundary, as arXiv 2310.04378 has them


class Distilled(Wrapper):
    """A denoiser whose estimates hold what its teacher needed more evaluations for.

    Args:
      denoise: the student.
      guidance: w that its estimates have; None: it guides by a second evaluation.
      sampler: the sampler and steps that it was taught for; None: any.
      guidance_range: least and largest w, where that is an input of the student, and
        `guidance` the w of which none is asked; None: it has the one.
    """

    def __init__(
        self,
        denoise: Denoiser,
        guidance: float | None = None,
        sampler: SamplerDefault | None = None,
        guidance_range: tuple[float, float] | None = None,
    ) -> None:
        super().__init__(denoise)
        self.distilled_guidance, self.own_sampler = guidance, sampler
        self.guidance_range = guidance_range


class Consistent(Wrapper):
    """f(z, t) = c_skip·z + c_out·x: a consistency function, which is z at t = 0.

    With s = 10 t: c_skip = 0.25 / (s² + 0.25), c_out = s / sqrt(s² + 0.25) (arXiv
    2310.04378, section 4.1). From t = 1 on that is the estimate x to 3 thousandths.
    """

    def predict(
        self, z: tf.Tensor, level: NoiseLevel, carry: Carry
    ) -> tuple[Prediction, Carry]:
        (x, variance), carry = self.denoise.predict(z, level, carry)
        s = _SCALE * tf.cast(level.t, z.dtype)
        if s.shape.rank:
            s = s[:, None, None, None]
        whole = s * s + _SIGMA_DATA**2
        of_z, of_x = _SIGMA_DATA**2 / whole, s * tf.math.rsqrt(whole)
        return Prediction(of_z * z + of_x * x, variance), carry


def distilled(
    denoise: Denoiser,
    guidance: float | None = None,
    sampler: Sequence[Any] | None = None,
    consistent: bool = False,
    guidance_range: Sequence[float] | None = None,
) -> Denoiser:
    """A student as it is used, from plain data, such as model.json keeps.

    Args:
      denoise: the student.
      guidance: see `Distilled`.
      sampler: name and steps, see `Distilled`.
      consistent: whether it is a consistency function, see `Consistent`.
      guidance_range: least and largest w, see `Distilled`.
    """
    known = SamplerDefault(*sampler) if sampler else None
    ends = (guidance_range[0], guidance_range[1]) if guidance_range else None
    student = Consistent(denoise) if consistent else denoise
    return Distilled(student, guidance, known, ends)


def refuse_distilled(base: Denoiser) -> None:
    """Raises InputError for a base that guides in one evaluation already."""
    if base.distilled_guidance is not None:
        raise InputError(
            f"the base guides already, at w = {base.distilled_guidance:g}; derive from "
            "the model that it was derived from"
        )
