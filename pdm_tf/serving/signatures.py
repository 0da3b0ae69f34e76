"""Requests as functions of a graph: for pictures by a sampler, and for estimates.

Whoever serves pictures goes through here, an export as well as Python; this is the one
place where estimates become bytes.
"""

from collections.abc import Callable

import tensorflow as tf

from pdm_tf.config import SamplingConfig, Spacing
from pdm_tf.data.images import to_uint8
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.samplers import Sampler, sample


def _any(name: str) -> tf.TensorSpec:
    return tf.TensorSpec([None], tf.int32, name)


def _function(body: Callable, *inputs: tf.TensorSpec) -> Callable:
    """A function of seeds, labels, the inputs given, and guidance, for any of them."""
    weight = tf.TensorSpec([], tf.float32, "guidance")
    signature = [_any("seeds"), _any("labels"), *inputs, weight]
    return tf.function(body, input_signature=signature, autograph=False)


def sample_signatures(
    denoiser: Denoiser, sampling: SamplingConfig, sampler: Sampler, spacing: Spacing
) -> tuple[Callable, Callable]:
    """A sampler as functions of requests: by a number of steps, and by timesteps."""
    schedule, shape = denoiser.schedule, denoiser.image_shape

    def sample_at(
        seeds: tf.Tensor, labels: tf.Tensor, timesteps: tf.Tensor, guidance: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        denoise = for_sampling(denoiser, labels, guidance, sampling)
        x = sample(denoise, sampler, schedule.visiting(timesteps), seeds, shape)
        return {"images": to_uint8(x)}

    at_timesteps = _function(sample_at, _any("timesteps"))

    def sample_in_steps(
        seeds: tf.Tensor, labels: tf.Tensor, steps: tf.Tensor, guidance: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        # By the other function, so that the sampling loop is stored once for both.
        return at_timesteps(seeds, labels, schedule.grid(steps, spacing).t, guidance)

    steps = tf.TensorSpec([], tf.int32, "steps")
    return _function(sample_in_steps, steps), at_timesteps


def denoise_signature(denoiser: Denoiser, count: int | None = None) -> Callable:
    """A denoiser as a function of z, t and labels, for `count` pictures, or any."""

    def denoise(z: tf.Tensor, t: tf.Tensor, labels: tf.Tensor) -> dict[str, tf.Tensor]:
        known = denoiser.conditioned(labels) if denoiser.num_classes else denoiser
        return known(z, denoiser.schedule.level(t))._asdict()

    pictures = tf.TensorSpec([count, *denoiser.image_shape], tf.float32, "z")
    rows = [tf.TensorSpec([count], tf.int32, name) for name in ("t", "labels")]
    return tf.function(denoise, input_signature=[pictures, *rows], autograph=False)
