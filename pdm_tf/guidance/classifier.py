"""Classifier guidance: a classifier of noisy pictures leads to the label."""

import keras

from pdm_tf.config.guidance import ClassifierConfig as Config
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.derivation import Context, Derivation
from pdm_tf.denoisers.label_guidance import label_guided
from pdm_tf.diffusion.flow import LinearFlow
from pdm_tf.errors import InputError, SettingError
from pdm_tf.networks.classifier import NoisyClassifier
from pdm_tf.objectives.noisy_classification import NoisyClassification

__all__ = ["KIND", "PAPER", "Config", "derive"]

KIND = "guided"
PAPER = (
    "Diffusion Models Beat GANs on Image Synthesis, Dhariwal and Nichol, arXiv "
    "2105.05233"
)
REPORTED = "FID 4.59 for ImageNet-256 from 10.94 with a conditional model"
NOT_REPRODUCED = (
    "ADM's classifier (here a small one); the gradient moves the estimate of x, under "
    "every sampler"
)


def derive(base: Denoiser, config: Config, context: Context) -> Derivation:
    """The base, guided to its classes by a classifier that is trained here.

    Args:
      base: a denoiser with classes.
      config: settings of the method.
      context: says whether the model is only opened.

    Raises:
      SettingError: the base has no classes.
      InputError: a base with more conditions than one class, or of the linear process.
    """
    if base.conditions is not None:
        raise InputError(
            "classifier leads to one class, and the base has attributes or several "
            "labels a picture; guide it by guidance_each, apg or autoguidance"
        )
    if isinstance(base.schedule, LinearFlow):
        raise InputError(
            "classifier learns on the steps of a variance-preserving process, and the "
            "base's process is linear; guide it by apg or autoguidance"
        )
    if not base.num_classes:
        raise SettingError("base", None, "has no classes; name a model that has")
    keras.utils.set_random_seed(config.seed)
    network = NoisyClassifier(base.image_shape, base.num_classes, config.width)
    made = label_guided(base, network, config.strength, config.conditional)
    sampling = {"sample_guidance": config.weight}
    if context.restoring:
        return Derivation(made, sampling=sampling)
    objective = NoisyClassification(network, made.own_variables, base.schedule)
    return Derivation(made, objective, sampling=sampling)
