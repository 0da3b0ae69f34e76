"""What an export answers: requests for pictures, and for estimates."""

from collections.abc import Callable

import tensorflow as tf

from pdm_tf.config import SamplingConfig, Spacing
from pdm_tf.data.images import to_uint8
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.samplers import Sampler, sample


def _many(name: str) -> tf.TensorSpec:
    return tf.TensorSpec([None], tf.int32, name)


def _opened(function: Callable, *inputs: tf.TensorSpec) -> Callable:
    """A function of seeds, labels, the inputs given, and guidance, for any of them."""
    weight = tf.TensorSpec([], tf.float32, "guidance")
    signature = [_many("seeds"), _many("labels"), *inputs, weight]
    return tf.function(function, input_signature=signature, autograph=False)


def sample_signatures(
    denoiser: Denoiser, sampling: SamplingConfig, sampler: Sampler, spacing: Spacing
) -> tuple[Callable, Callable]:
    """A sampler as functions of requests: by a number of steps, and by timesteps."""
    schedule = denoiser.schedule

    def visit(
        seeds: tf.Tensor, labels: tf.Tensor, timesteps: tf.Tensor, guidance: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        denoise, grid = (
            for_sampling(denoiser, labels, guidance, sampling),
            schedule.visiting,
        )
        x = sample(denoise, sampler, grid(timesteps), seeds, denoiser.image_shape)
        return {"images": to_uint8(x)}

    visited = _opened(
        visit, _many("timesteps")
    )  # the trajectory is stored once for both

    def draw(
        seeds: tf.Tensor, labels: tf.Tensor, steps: tf.Tensor, guidance: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        return visited(seeds, labels, schedule.grid(steps, spacing).t, guidance)

    return _opened(draw, tf.TensorSpec([], tf.int32, "steps")), visited


def denoise_signature(denoiser: Denoiser, count: int | None = None) -> Callable:
    """A denoiser as a function of z, t and labels, for `count` pictures, or any."""

    def denoise(z: tf.Tensor, t: tf.Tensor, labels: tf.Tensor) -> dict[str, tf.Tensor]:
        told = denoiser.conditioned(labels) if denoiser.num_classes else denoiser
        return told(z, denoiser.schedule.level(t))._asdict()

    pictures = tf.TensorSpec([count, *denoiser.image_shape], tf.float32, "z")
    told = [tf.TensorSpec([count], tf.int32, name) for name in ("t", "labels")]
    return tf.function(denoise, input_signature=[pictures, *told], autograph=False)
