"""Writes the whole sampler as one SavedModel, for any N and any number of steps."""

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

from pdm_tf.config import InputError, SamplingConfig
from pdm_tf.data.images import to_uint8
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.guidance import steered
from pdm_tf.samplers import DDPM, sample

Signatures = dict[str, Callable]


def _many(name: str) -> tf.TensorSpec:
    return tf.TensorSpec([None], tf.int32, name)


def _sampling(
    denoiser: Denoiser, sampling: SamplingConfig, where: tf.TensorSpec, grid: Callable
) -> Callable:
    """The sampler as a function of requests; `where` says which levels to visit."""
    sampler = DDPM(sampling.variance)

    def draw(
        seeds: tf.Tensor, labels: tf.Tensor, visited: tf.Tensor, guidance: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        denoise = steered(denoiser, labels, guidance, sampling)
        x = sample(denoise, sampler, grid(visited), seeds, denoiser.image_shape)
        return {"images": to_uint8(x)}

    weight = tf.TensorSpec([], tf.float32, "guidance")
    signature = [_many("seeds"), _many("labels"), where, weight]
    return tf.function(draw, input_signature=signature, autograph=False)


def _denoising(denoiser: Denoiser) -> Callable:
    def believe(z: tf.Tensor, t: tf.Tensor, labels: tf.Tensor) -> dict[str, tf.Tensor]:
        told = denoiser.labelled(labels) if denoiser.num_classes else denoiser
        return told(z, denoiser.schedule.level(t))._asdict()

    pictures = tf.TensorSpec([None, *denoiser.image_shape], tf.float32, "z")
    signature = [pictures, _many("t"), _many("labels")]
    return tf.function(believe, input_signature=signature, autograph=False)


def build_module(
    denoiser: Denoiser, record: str, sampling: SamplingConfig
) -> tuple[tf.Module, Signatures]:
    """What is saved: raw variables, and functions that reach networks by closure.

    A Keras model that is itself tracked would load in Python, but not through the
    session loader of TF Serving and C++.
    """
    description = {
        "image_shape": list(denoiser.image_shape),
        "num_classes": denoiser.num_classes,
        "timesteps": denoiser.schedule.timesteps,
        "record": record,
    }
    text = json.dumps(description)
    module = tf.Module(name="pdm")
    module.weights = {
        f"{part}.{v.path.replace('/', '.')}": v.value
        for part, network in denoiser.parts.items()
        for v in network.variables
    }
    schedule = denoiser.schedule
    steps, timesteps = tf.TensorSpec([], tf.int32, "steps"), _many("timesteps")
    module.sample = _sampling(denoiser, sampling, steps, schedule.grid)
    module.sample_at = _sampling(denoiser, sampling, timesteps, schedule.visiting)
    module.denoise = _denoising(denoiser)
    module.config = tf.function(lambda: {"config": tf.constant(text)}, [])
    signatures = {
        name: getattr(module, name)
        for name in ("sample", "sample_at", "denoise", "config")
    }
    return module, signatures


def export_saved_model(
    denoiser: Denoiser,
    directory: str | Path,
    record: str = "",
    sampling: SamplingConfig | None = None,
) -> None:
    """Writes a SavedModel with the signatures sample, sample_at, denoise and config.

    `sample` (also `serving_default`): seeds int32 [N], labels int32 [N] (ignored
    without classes), steps int32 [], guidance float32 [] -> images uint8 [N, H, W, C].
    `sample_at`: the same with timesteps int32 [S], falling, in the place of steps.
    `denoise`: z float32 [N, H, W, C], t int32 [N], labels int32 [N] -> x, variance.
    `config`: a JSON string.

    The directory appears whole or not at all; an older export is replaced.

    Args:
      denoiser: what is asked at every step.
      directory: where it goes; must be new, empty, or an older export.
      record: the run's flagfile, kept in the JSON string.
      sampling: what is decided once for all requests: thresholding, guidance
        interval, variance.

    Raises:
      InputError: the directory holds something else.
    """
    directory = Path(directory)
    if directory.exists() and not _replaceable(directory):
        raise InputError(
            f"--export_dir={directory}: holds something that is no SavedModel; choose "
            "a new or empty directory"
        )
    directory.parent.mkdir(parents=True, exist_ok=True)
    module, signatures = build_module(denoiser, record, sampling or SamplingConfig())
    signatures["serving_default"] = signatures["sample"]
    beside = Path(tempfile.mkdtemp(prefix=".export-", dir=directory.parent))
    try:
        tf.saved_model.save(module, str(beside / "new"), signatures)
        if directory.exists():
            directory.rename(beside / "old")
        (beside / "new").rename(directory)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _replaceable(directory: Path) -> bool:
    return (directory / "saved_model.pb").is_file() or not any(directory.iterdir())
