"""What an export says of its model, as JSON holds it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import isfinite, log, prod
from typing import Any

import tensorflow as tf

from pdm_tf.config import SamplingConfig
from pdm_tf.config.sealing import sealed_settings
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.identity import digest_model, seal_of
from pdm_tf.diffusion import NoiseSchedule
from pdm_tf.diffusion.flow import LinearFlow
from pdm_tf.diffusion.named_schedules import (
    cosine,
    ending_in_noise,
    shifted,
    sigmoid,
)
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
    conditions = denoiser.conditions
    rows: dict[str, Any] = {"conditions": conditions.describe()} if conditions else {}
    if denoiser.guidance_range:
        rows["guidance_range"] = list(denoiser.guidance_range)
    return {
        "digest": digest_model(denoiser.variables, meant, lineage),
        "sealed": meant,
        "parameters": count_parameters(denoiser.variables),
        "bytes": count_bytes(denoiser.variables),
        "image_shape": list(denoiser.image_shape),
        "num_classes": denoiser.num_classes,
        "class_names": list(class_names),
        **rows,
        "timesteps": denoiser.schedule.timesteps,
        "distilled_guidance": denoiser.distilled_guidance,
        "own_sampler": list(denoiser.own_sampler) if denoiser.own_sampler else None,
        "sampling": asdict(sampling),
        "record": record,
        "lineage": list(lineage),
        "pdm_tf": __version__,
        "tensorflow": tf.__version__,
    }


def schedule_settings(schedule: NoiseSchedule) -> dict[str, Any]:
    """What `open_schedule` makes this schedule from."""
    if isinstance(schedule, LinearFlow):
        timesteps, scale = schedule.timesteps, schedule.noise_scale
        return {"process": "linear", "timesteps": timesteps, "noise_scale": scale}
    timesteps, last = schedule.timesteps, schedule.betas[-1]
    if last < 1 and NoiseSchedule.linear(timesteps, last) == schedule:
        return {"timesteps": timesteps, "beta_end": last}
    return {"timesteps": timesteps, "betas": list(schedule.betas)}


def open_schedule(said: Mapping[str, Any]) -> NoiseSchedule:
    """The schedule that settings stand for.

    Args:
      said: settings of a run, sealed ones are enough; or what `schedule_settings`
        gave.

    Raises:
      InputError: no settings of a schedule.
      KeyError: some are missing.
    """
    if said.get("process", "vp") == "linear":
        return LinearFlow.of(said["timesteps"], said["noise_scale"])
    if "betas" in said:
        return NoiseSchedule(tuple(map(float, said["betas"])))
    timesteps, name = said["timesteps"], said.get("schedule", "linear")
    named = {"cosine": cosine, "sigmoid": sigmoid}.get(name)
    made = named(timesteps) if named else None
    made = made or NoiseSchedule.linear(timesteps, said["beta_end"])
    if shift_from := said.get("shift_from", 0):
        made = shifted(made, 2 * log(shift_from / said["image_shape"][0]))
    return ending_in_noise(made) if said.get("zero_terminal", False) else made


_SIDE = 2**16  # pixels, at most; and so with classes and timesteps
_MANY = 2**24  # numbers in a picture, at most


def read_description(text: bytes | str) -> dict[str, Any]:
    """What an export says of its model, checked.

    Raises:
      InputError: no JSON, or what every export says is missing or not of its kind.
    """
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        raise InputError("no JSON") from None
    if not isinstance(said, dict):
        raise InputError("no table")
    shape = said.get("image_shape")
    if not isinstance(shape, list) or len(shape) != 3:
        raise InputError("image_shape is not height, width and channels")
    for side in shape:
        _check_number("image_shape", side, 1)
    if prod(shape) > _MANY:
        raise InputError(f"image_shape {shape} is larger than any picture")
    _check_number("num_classes", said.get("num_classes"), 0)
    _check_number("timesteps", said.get("timesteps"), 1)
    sampling = said.get("sampling", {})
    if not isinstance(sampling, dict):
        raise InputError("sampling is no table")
    guidance = sampling.get("sample_guidance", 1.0)
    if type(guidance) not in (int, float) or not isfinite(guidance):
        raise InputError(f"sample_guidance {guidance!r} is no number")
    _check_samplers(said.get("samplers"))
    _check_own(said.get("own_sampler"))
    _check_range(said.get("guidance_range"))
    return said


def _check_number(name: str, value: Any, least: int) -> None:
    if type(value) is not int or not least <= value <= _SIDE:
        raise InputError(f"{name} {str(value)[:40]!r} is no number from {least} on")


def _check_own(said: Any) -> None:
    """Most models have none, and those of before say nothing."""
    if said is None:
        return
    if not isinstance(said, list) or len(said) != 2 or not isinstance(said[0], str):
        raise InputError("own_sampler is not a sampler and its steps")
    _check_number("own_sampler", said[1], 1)


def _check_range(said: Any) -> None:
    """Most models take no w."""
    if said is None:
        return
    if not isinstance(said, list) or len(said) != 2:
        raise InputError("guidance_range is not a least and a largest weight")
    if not all(type(end) in (int, float) and isfinite(end) for end in said):
        raise InputError("guidance_range is not two numbers")


def _check_samplers(said: Any) -> None:
    """Of an export of before nothing is said."""
    if said is None:
        return
    if not isinstance(said, dict) or not said:
        raise InputError("samplers is no table")
    for name, about in said.items():
        if not isinstance(about, dict):
            raise InputError(f"nothing is said of sampler {name[:40]!r}")
        _check_number("evaluations", about.get("evaluations"), 1)
