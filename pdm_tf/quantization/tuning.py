"""A whole quantised network learns to estimate what the unquantised one estimates.

Block by block, as `reconstruction` learns, errors that arise between blocks are never
seen; here every layer learns from the estimate of x. It needs no pictures: what the
network reads are z of the model's own trajectories.
"""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, Self, TypeVar

import numpy as np
import tensorflow as tf

from pdm_tf.config.quantization import EfficientDMConfig, QuESTConfig
from pdm_tf.denoisers.denoiser import Prediction
from pdm_tf.denoisers.derivation import Context
from pdm_tf.denoisers.network import NetworkDenoiser
from pdm_tf.denoisers.threshold import clip_statically
from pdm_tf.errors import SettingError
from pdm_tf.networks.transforms import LayerPlan, stacked, transformed
from pdm_tf.quantization.adaround import Adam
from pdm_tf.quantization.calibration import Rows
from pdm_tf.quantization.deriving import Fitting
from pdm_tf.quantization.observing import AT_ONCE
from pdm_tf.quantization.trained_layer import TrainedLayer

Batch = TypeVar("Batch", bound=tuple)
SLICES = 10  # of T, whose errors a line tells apart


class Taught(NamedTuple):
    """What a network reads and what it shall estimate, a row for each evaluation."""

    z: np.ndarray  # float32 [R, H, W, C]
    t: np.ndarray  # int32 [R]
    labels: np.ndarray  # int32 [R]
    x: np.ndarray  # float32 [R, H, W, C]
    variance: np.ndarray  # float32 [R, H, W, C]

    def taken(self, rows: np.ndarray) -> Self:
        """Some rows."""
        return type(self)(*(value[rows] for value in self))


class Tuning(NamedTuple):
    """How a network is tuned."""

    iterations: int
    batch_size: int
    ceiling: float  # of the weight min(sqrt(SNR), ceiling) of errors in x
    seed: int = 0
    guidance: float = 1.0  # w of the estimates that errors end up in
    clipped: bool = False  # as sampled: errors that static thresholding hides are none
    keep_every: int = 100  # iterations, after which a stopped command goes on


def check_groups(groups: int, calibration_steps: int) -> None:
    """Refuses groups of timesteps that no row of calibration falls into.

    Raises:
      SettingError: more groups than steps, or none.
    """
    if not 1 <= groups <= calibration_steps:
        remedy = f"choose 1 to {calibration_steps}, the steps of calibration"
        raise SettingError("step_groups", groups, remedy)


class Trained(NamedTuple):
    """A variable that learns, and its step size for Adam."""

    variable: tf.Variable
    rate: float


class Learner(NamedTuple):
    """Layers under training, and their variables with the rate of each."""

    plan: dict[str, TrainedLayer]
    trained: dict[str, Trained]


def tuning_of(
    config: EfficientDMConfig | QuESTConfig, fitting: Fitting, iterations: int
) -> Tuning:
    """How settings say that a network is tuned."""
    sampling = fitting.context.settings.sampling
    return Tuning(
        iterations,
        config.batch_size,
        config.snr_ceiling,
        config.seed,
        sampling.sample_guidance if config.as_sampled else 1.0,
        config.as_sampled and sampling.thresholding == "static",
    )


def estimate(
    denoise: NetworkDenoiser,
    plan: LayerPlan,
    z: tf.Tensor,
    t: tf.Tensor,
    labels: tf.Tensor,
) -> Prediction:
    """The estimate of a network under a plan above its denoiser's own.

    Args:
      denoise: the network's denoiser.
      plan: the plan.
      z: [B, H, W, C].
      t: int32 [B].
      labels: int32 [B].
    """
    level = denoise.schedule.level(t)
    known = denoise.conditioned(labels) if denoise.num_classes else denoise
    with transformed(stacked(denoise.plan, plan)):
        output, variance = denoise.network(*known.inputs(z, level))
    return denoise.prediction_of(z, level, output, variance)


def teach(denoise: NetworkDenoiser, rows: Rows) -> Taught:
    """What the network estimates before anything of it is quantised."""
    graph = tf.function(lambda *given: estimate(denoise, {}, *given), autograph=False)
    found = [graph(*batch) for batch in rows.batches(AT_ONCE)]
    x, variance = (np.concatenate(v) for v in zip(*found, strict=True))
    return Taught(*rows, x, variance)


def errors(
    denoise: NetworkDenoiser, plan: LayerPlan, taught: Taught, how: Tuning
) -> tf.Tensor:
    """Weighted squared error of x, and that of the variance, of every row, [B]."""
    made = estimate(denoise, plan, taught.z, taught.t, taught.labels)
    level = denoise.schedule.level(taught.t)
    weight = tf.minimum(tf.exp(0.5 * level.log_snr), how.ceiling)
    error = made.x - taught.x
    if how.clipped:
        error = visible_error(made.x, taught.x)
    if denoise.num_classes:
        weight *= share_of_error(taught.labels == denoise.num_classes, how.guidance)
    of_variance = _mean_square(made.variance - taught.variance)
    return weight * _mean_square(error) + of_variance


def share_of_error(null: tf.Tensor, guidance: float) -> tf.Tensor:
    """How much the squared error of an evaluation counts in w·conditional -
    (w - 1)·unconditional, over the mean of both.

    Args:
      null: whether the label is the null one, bool [B].
      guidance: w.
    """
    both = guidance**2, (guidance - 1.0) ** 2
    if not both[1]:
        return tf.ones_like(null, tf.float32)  # without guidance either may be asked
    return tf.where(null, both[1], both[0]) / (0.5 * sum(both))


def visible_error(own: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor:
    """The error of an estimate; none where clipping to [-1, 1] would hide it."""
    wanted = clip_statically(wanted)
    return tf.where(clip_statically(own) == wanted, 0.0, own - wanted)


def _mean_square(error: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.square(error), axis=[1, 2, 3])


def tune(
    fitting: Fitting, plan: LayerPlan, trained: Mapping[str, Trained], how: Tuning
) -> None:
    """Trains variables of a plan by what the unquantised network estimates.

    Args:
      fitting: the network, what it reads, and where progress is kept.
      plan: of layers under training.
      trained: its variables that learn, by name; the rates fall linearly to 0.
      how: length and weights.
    """
    if not how.iterations:
        return
    taught, denoise = teach(fitting.denoise, fitting.rows), fitting.denoise

    def loss(rows: Taught) -> tf.Tensor:
        return tf.reduce_mean(errors(denoise, plan, rows, how))

    def batch(i: int) -> Taught:
        drawn = np.random.default_rng([how.seed, i])
        size = min(how.batch_size, len(taught.t))
        return taught.taken(drawn.choice(len(taught.t), size, replace=False))

    def tell(when: str) -> None:
        found = _by_slice(denoise, plan, taught, how)
        fitting.context.note(f"error {when}, most noise first: {found}")

    tell("before")
    minimize(loss, batch, trained, how, fitting.context, f"{fitting.name}.tuning")
    tell("after")


def _by_slice(
    denoise: NetworkDenoiser, plan: LayerPlan, taught: Taught, how: Tuning
) -> str:
    """Mean errors over slices of T, some rows of each: steps that learn badly show."""
    graph = tf.function(
        lambda *rows: errors(denoise, plan, Taught(*rows), how),
        autograph=False,
        reduce_retracing=True,
    )
    slices, found = taught.t * SLICES // denoise.schedule.timesteps, []
    for number in reversed(range(SLICES)):
        rows = np.flatnonzero(slices == number)
        if len(rows):
            some = rows[np.linspace(0, len(rows) - 1, min(32, len(rows))).astype(int)]
            mean = tf.reduce_mean(graph(*map(tf.constant, taught.taken(some))))
            found.append(f"{float(mean):.2g}")
    return " ".join(found)


def minimize(
    loss: Callable[[Batch], tf.Tensor],
    batch: Callable[[int], Batch],
    trained: Mapping[str, Trained],
    how: Tuning,
    context: Context,
    name: str,
) -> None:
    """Adam with rates that fall linearly to 0; goes on with what was kept.

    Args:
      loss: of a batch.
      batch: iteration -> a NamedTuple of arrays, the same for a number every time.
      trained: variables that learn.
      how: iterations, and how often progress is kept.
      context: keeps progress and takes lines.
      name: of what is kept.
    """
    variables = [one.variable for one in trained.values()]
    adam = Adam(variables, [one.rate for one in trained.values()])
    state = dict(zip(trained, variables, strict=True)) | {
        f"{slot}.{key}": value
        for slot, values in (("m", adam.m), ("v", adam.v))
        for key, value in zip(trained, values, strict=True)
    }
    done = _restored(context.kept(name), state)

    @tf.function(autograph=False)
    def step(count: tf.Tensor, share: tf.Tensor, *rows: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            total = loss(kind(*rows))
        found = map(tf.convert_to_tensor, tape.gradient(total, variables))
        adam.apply(list(found), count, share)
        return total

    kind, began, losses = type(batch(0)), time.monotonic(), []
    for i in range(done, how.iterations):
        share = 1.0 - i / how.iterations
        rows = map(tf.constant, batch(i))
        losses.append(step(tf.constant(i + 1.0), tf.constant(share), *rows))
        if (i + 1) % how.keep_every == 0:
            kept = {key: value.numpy() for key, value in state.items()}
            context.keep(name, kept | {"done": np.array(i + 1)})
            left = (time.monotonic() - began) / (i + 1 - done) * (how.iterations - i)
            mean = float(tf.add_n(losses[-how.keep_every :])) / how.keep_every
            context.note(
                f"tuning {i + 1}/{how.iterations}: loss {mean:.3g}; "
                f"{left / 60:.0f} min left"
            )


def _restored(
    kept: Mapping[str, np.ndarray] | None, state: Mapping[str, tf.Variable]
) -> int:
    """Sets variables as they were kept; the iterations that were done by then."""
    if kept is None:
        return 0
    for key, variable in state.items():
        variable.assign(kept[key])
    return int(kept["done"])
