"""A slim network with wavelets that learns its base's frequencies (2211.17106).

The student is a network of its own, of fewer channels and as many blocks. It denoises
as its base does, is sampled and guided alike, and everything may stand on it.
"""

from dataclasses import replace
from typing import Any

import keras
import tensorflow as tf

from pdm_tf.config.distillation import SpectralConfig as Config
from pdm_tf.denoisers import Derivation, NetworkDenoiser
from pdm_tf.denoisers.conditioning import null_labels
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.distilled import refuse_distilled
from pdm_tf.distillation.adapting import inlined
from pdm_tf.errors import InputError
from pdm_tf.networks import PatchedUNet
from pdm_tf.networks.wavelets import WaveletUNet
from pdm_tf.objectives.feature_distillation import features_of
from pdm_tf.objectives.spectral_distillation import SpectralDistillation, at_scales

__all__ = ["KIND", "PAPER", "Config", "derive"]

KIND = "distilled"
PAPER = "Diffusion Probabilistic Model Made Slim, Yang et al., arXiv 2211.17106"
REPORTED = "8 to 18 times fewer operations than latent diffusion"
NOT_REPRODUCED = "the scale of latent diffusion"
_SHARE = 0.35  # of the base's width, whose square is an eighth


def derive(base: Denoiser, config: Config, context: Any) -> Derivation:
    """A slim network, drawn anew, and what teaches it.

    Args:
      base: one patched U-Net, which may have a plan of its own.
      config: settings of the method.
      context: settings of the base's run.

    Raises:
      InputError: a base that guides by itself, a split, or one of another network.
      SettingError: a width that no network can have.
    """
    refuse_distilled(base)
    teacher = only_network(base)
    student = slim(teacher, config.width, config.seed, config.gated)
    learner, variables = inlined(student), dict(student.variables)
    if context.restoring:
        return Derivation(student)
    compared = bool(config.spatial or config.frequency)
    aligners = _aligners(inlined(teacher), learner, config.seed) if compared else []
    variables |= {f"aligner.{i}": kernel for i, kernel in enumerate(aligners)}
    objective = SpectralDistillation(
        teacher=inlined(teacher),
        student=learner,
        variables=variables,
        aligners=aligners,
        spatial=config.spatial,
        frequency=config.frequency,
        power=config.power,
        weighting=context.settings.diffusion.weighting,
        label_dropout=config.label_dropout,
        t_range=(0, base.schedule.timesteps - 1),
    )
    return Derivation(student, objective)


def only_network(base: Denoiser) -> NetworkDenoiser:
    """The network denoiser that a base is.

    Raises:
      InputError: a split or another composition, or no patched U-Net.
    """
    if not isinstance(base, NetworkDenoiser):
        raise InputError(
            f"a slim network is derived from one network, and {type(base).__name__} is "
            "another thing; give the run that it was made of"
        )
    if not isinstance(base.network, PatchedUNet):
        raise InputError("a slim network is made of a patched U-Net alone")
    return base


def slim(
    teacher: NetworkDenoiser, width: int, seed: int, gated: bool
) -> NetworkDenoiser:
    """A denoiser of a new network like the teacher's, but for its width.

    Args:
      teacher: a denoiser of a patched U-Net.
      width: channels of the finest level; 0: an eighth of the operations.
      seed: of the weights.
      gated: with wavelets.
    """
    known = teacher.network.config
    config = replace(known, width=width or max(2, int(_SHARE * known.width)))
    keras.utils.set_random_seed(seed)
    network = (WaveletUNet if gated else PatchedUNet)(config)
    return NetworkDenoiser(network, teacher.schedule, teacher.prediction)


def _aligners(teacher: Denoiser, student: Denoiser, seed: int) -> list[tf.Variable]:
    """Kernels from the student's channels to the teacher's, one a scale."""

    @tf.function(autograph=False)
    def channels() -> tf.Tensor:  # traced, not run: shapes are all that is asked for
        z, t = tf.zeros([1, *teacher.image_shape]), tf.constant([0])
        given = z, teacher.schedule.level(t), null_labels(teacher, tf.constant(1))
        for denoise in (student, teacher):
            _, maps = features_of(denoise, *given)
            found.append([feature.shape[-1] for feature in at_scales(maps)])
        return t

    found: list[list[int]] = []
    channels.get_concrete_function()
    start = keras.initializers.GlorotUniform(seed)
    return [tf.Variable(start(shape)) for shape in zip(*found, strict=True)]
