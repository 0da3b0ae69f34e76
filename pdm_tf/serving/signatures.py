"""Requests as functions of a graph: for pictures by a sampler, and for estimates.

Whoever serves pictures goes through here, an export as well as Python; this is the one
place where estimates become bytes.
"""

from collections.abc import Callable, Sequence

import tensorflow as tf

from pdm_tf.config import SamplingConfig, Spacing
from pdm_tf.data.images import to_uint8
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.samplers import Sampler, sample


def _any(name: str) -> tf.TensorSpec:
    return tf.TensorSpec([None], tf.int32, name)


def labels_spec(denoiser: Denoiser, count: int | None = None) -> tf.TensorSpec:
    """As a model takes them: int32 [N], or rows of conditions, float32 [N, n]."""
    if denoiser.conditions is None:
        return tf.TensorSpec([count], tf.int32, "labels")
    return tf.TensorSpec([count, denoiser.conditions.size], tf.float32, "labels")


def _function(body: Callable, denoiser: Denoiser, *inputs: tf.TensorSpec) -> Callable:
    """A function of seeds, labels, the inputs given, and guidance, for any of them."""
    weight = tf.TensorSpec([], tf.float32, "guidance")
    signature = [_any("seeds"), labels_spec(denoiser), *inputs, weight]
    return tf.function(body, input_signature=signature, autograph=False)


def checked(
    assertions: Sequence[tf.Operation], inputs: Sequence[tf.Tensor]
) -> Sequence[tf.Tensor]:
    """The inputs, once all assertions hold.

    In the graph, since whoever serves an export calls it without this package; on a
    GPU a label out of range would be a row of zeros, and a picture of no class. XLA
    compiles no assertions: what it compiles is computed unchecked.
    """
    with tf.control_dependencies(assertions):
        return [tf.identity(value) for value in inputs]


def _assertion(holds: tf.Tensor, message: str, value: tf.Tensor) -> tf.Operation:
    return tf.raw_ops.Assert(condition=holds, data=[message, value], summarize=8)


def all_within(name: str, value: tf.Tensor, low: int, high: int) -> tf.Operation:
    """That each of it is from `low` to `high`, both included."""
    holds = tf.reduce_all((value >= low) & (value <= high))
    return _assertion(holds, f"{name} must be from {low} to {high}, not", value)


def _falling(timesteps: tf.Tensor) -> tf.Operation:
    """Also that there is one."""
    holds = tf.reduce_all(timesteps[1:] < timesteps[:-1]) & (tf.size(timesteps) > 0)
    return _assertion(holds, "timesteps must fall, from one at least, not", timesteps)


def labels_known(
    denoiser: Denoiser, labels: tf.Tensor, rows: tf.Tensor
) -> list[tf.Operation]:
    """That each picture has a class, or the one that means none; without classes, none.

    Rows of conditions hold numbers as they come, or NaN.

    Args:
      denoiser: the model.
      labels: int32 [N], or rows of conditions, float32 [N, n].
      rows: anything of [N].
    """
    if denoiser.conditions is not None:
        return [as_many("labels", labels[:, 0], rows)]
    classes = denoiser.num_classes
    if not classes:
        return []
    for_each = as_many("labels", labels, rows)
    return [all_within("labels", labels, 0, classes), for_each]


def as_many(name: str, value: tf.Tensor, rows: tf.Tensor) -> tf.Operation:
    """That a value, [N], is given for each picture, of which `rows` has one entry."""
    holds = tf.equal(tf.size(value), tf.size(rows))
    return _assertion(holds, f"there must be as many {name} as pictures, not", value)


def finite(name: str, value: tf.Tensor) -> tf.Operation:
    """That it is a number, or all of them are."""
    holds = tf.math.is_finite(value)
    if value.shape.rank:
        holds = tf.reduce_all(holds)
    return _assertion(holds, f"{name} must be a finite number, not", value)


def _taken(denoiser: Denoiser, guidance: tf.Tensor) -> list[tf.Operation]:
    """That a model which takes w was taught it; 1 is none."""
    if denoiser.guidance_range is None:
        return []
    low, high = denoiser.guidance_range
    holds = (guidance >= low) & (guidance <= high) | (guidance == 1.0)
    message = f"guidance must be 1 or from {low:g} to {high:g}, not"
    return [_assertion(holds, message, guidance)]


def sample_signatures(
    denoiser: Denoiser, sampling: SamplingConfig, sampler: Sampler, spacing: Spacing
) -> tuple[Callable, Callable]:
    """A sampler as functions of requests: by a number of steps, and by timesteps."""
    schedule, shape = denoiser.schedule, denoiser.image_shape

    def sample_at(
        seeds: tf.Tensor, labels: tf.Tensor, timesteps: tf.Tensor, guidance: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        timesteps, labels, guidance = checked(
            [
                all_within("timesteps", timesteps, 0, schedule.timesteps - 1),
                _falling(timesteps),
                *labels_known(denoiser, labels, seeds),
                finite("guidance", guidance),
                *_taken(denoiser, guidance),
            ],
            (timesteps, labels, guidance),
        )
        denoise = for_sampling(denoiser, labels, guidance, sampling)
        x = sample(denoise, sampler, schedule.visiting(timesteps), seeds, shape)
        return {"images": to_uint8(x)}

    at_timesteps = _function(sample_at, denoiser, _any("timesteps"))

    def sample_in_steps(
        seeds: tf.Tensor, labels: tf.Tensor, steps: tf.Tensor, guidance: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        (steps,) = checked(
            [all_within("steps", steps, 1, schedule.timesteps)], (steps,)
        )
        # By the other function, so that the sampling loop is stored once for both.
        return at_timesteps(seeds, labels, schedule.grid(steps, spacing).t, guidance)

    steps = tf.TensorSpec([], tf.int32, "steps")
    return _function(sample_in_steps, denoiser, steps), at_timesteps


def denoise_signature(denoiser: Denoiser, count: int | None = None) -> Callable:
    """A denoiser as a function of z, t and labels, for `count` pictures, or any.

    For any number of pictures t and labels are checked in the graph; a fixed number
    is for LiteRT, which knows no assertions: `LitertNetwork` checks them.

    Of a linear process t is a time, float32 in [0, 1], and z at the scale at which the
    network was trained; of others t is a timestep.
    """
    schedule = denoiser.schedule
    last = 1 if schedule.continuous else schedule.timesteps - 1

    def denoise(z: tf.Tensor, t: tf.Tensor, labels: tf.Tensor) -> dict[str, tf.Tensor]:
        if count is None:
            t, labels = checked(
                [all_within("t", t, 0, last), *labels_known(denoiser, labels, t)],
                (t, labels),
            )
        known = denoiser.conditioned(labels) if denoiser.takes_conditions else denoiser
        level = schedule.at(t) if schedule.continuous else schedule.level(t)
        return known(schedule.as_noised(z, level), level)._asdict()

    pictures = tf.TensorSpec([count, *denoiser.image_shape], tf.float32, "z")
    times = tf.TensorSpec([count], tf.float32 if schedule.continuous else tf.int32, "t")
    rows = [times, labels_spec(denoiser, count)]
    return tf.function(denoise, input_signature=[pictures, *rows], autograph=False)
