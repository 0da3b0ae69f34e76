"""Pictures from a .tflite file: LiteRT computes the network, ours is the sampling."""

from typing import Any

from pdm_tf.config import SamplingConfig
from pdm_tf.config.sampling import SamplerDefault
from pdm_tf.denoisers.callback import CallbackDenoiser, Evaluate
from pdm_tf.errors import SettingError
from pdm_tf.serving.denoiser_generator import DenoiserGenerator
from pdm_tf.serving.description import open_schedule
from pdm_tf.serving.litert_network import REMEDY, open_file
from pdm_tf.storage.digests import digest_json


def callback_denoiser(
    evaluate: Evaluate, description: dict[str, Any]
) -> CallbackDenoiser:
    """The denoiser of a described model whose network is a function of arrays."""
    denoiser = CallbackDenoiser(
        evaluate,
        tuple(description["image_shape"]),
        description["num_classes"],
        open_schedule(description["schedule"]),
    )
    denoiser.distilled_guidance = description.get("distilled_guidance")
    own = description.get("own_sampler")
    denoiser.own_sampler = SamplerDefault(*own) if own else None
    return denoiser


class CallbackGenerator(DenoiserGenerator):
    """Generates pictures with a network that another runtime computes.

    Attributes: see `ImageGenerator`.

    Args:
      setting: the setting that names the export, for messages.
      path: where it lies.
      network: opened.
      described: what its report says of its model, "digest" that of its bytes.
      remedy: what to do with one that says too little.

    Raises:
      InputError: a report that says too little.
    """

    def __init__(
        self,
        setting: str,
        path: str,
        network: Evaluate,
        described: dict[str, Any],
        remedy: str,
    ) -> None:
        # Its weights are rounded: it is known by its bytes and by what they mean.
        known = [described.get(name) for name in ("digest", "sealed", "sampling")]
        description = {**described, "digest": digest_json(known)}
        try:
            sampling = SamplingConfig(**description["sampling"])
            denoiser = callback_denoiser(network, description)
        except (KeyError, TypeError) as error:
            raise SettingError(
                setting, path, f"not written by this version of pdm_tf; {remedy}"
            ) from error
        super().__init__(denoiser, sampling, description)


class LitertGenerator(CallbackGenerator):
    """Generates pictures with a .tflite file of `python -m pdm_tf.export`.

    Args:
      setting: the setting that names the file, for messages.
      path: where it lies.

    Raises:
      InputError: not such a file, see `litert_network.open_file`.
    """

    def __init__(self, setting: str, path: str) -> None:
        super().__init__(setting, path, *open_file(setting, path), REMEDY)
