"""What an export says of its model, as JSON holds it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import tensorflow as tf

from pdm_tf.config import SamplingConfig
from pdm_tf.config.sealing import sealed_settings
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.identity import digest_model, seal_of
from pdm_tf.diffusion import NoiseSchedule
from pdm_tf.errors import InputError
from pdm_tf.profiling.parameters import count_bytes, count_parameters
from pdm_tf.version import __version__

Lineage = Sequence[dict[str, Any]]


def describe(
    denoiser: Denoiser,
    sampling: SamplingConfig,
    record: str = "",
    lineage: Lineage = (),
    class_names: Sequence[str] = (),
    sealed: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """All that is known of a model beside its weights.

    Args:
      denoiser: the model.
      sampling: what is decided once for all requests.
      record: the run's flagfile.
      lineage: how it was derived, base first: the content of each model.json; empty
        for a plain run.
      class_names: one for each label; empty where they are not known.
      sealed: what its weights mean, see `config.sealing`; None: what the denoiser
        tells of itself. Those of sampling are as `sampling` has them.

    Returns:
      Plain data. Under "digest" is what the model is known by, whatever it is called
      and wherever it lies: two models that give the same pictures by the same settings
      have the same, and others do not.
    """
    meant = seal_of(denoiser) if sealed is None else sealed
    meant = {**meant, **sealed_settings(sampling)}
    return {
        "digest": digest_model(denoiser.variables, meant, lineage),
        "sealed": meant,
        "parameters": count_parameters(denoiser.variables),
        "bytes": count_bytes(denoiser.variables),
        "image_shape": list(denoiser.image_shape),
        "num_classes": denoiser.num_classes,
        "class_names": list(class_names),
        "timesteps": denoiser.schedule.timesteps,
        "distilled_guidance": denoiser.distilled_guidance,
        "sampling": asdict(sampling),
        "record": record,
        "lineage": list(lineage),
        "pdm_tf": __version__,
        "tensorflow": tf.__version__,
    }


def schedule_settings(schedule: NoiseSchedule) -> dict[str, Any]:
    """What `NoiseSchedule.linear` makes this schedule from.

    Raises:
      InputError: a schedule of another form.
    """
    settings: dict[str, Any] = {
        "timesteps": schedule.timesteps,
        "beta_end": schedule.betas[-1],
    }
    if NoiseSchedule.linear(**settings) != schedule:
        raise InputError("only linear noise schedules can be written to a .tflite file")
    return settings
