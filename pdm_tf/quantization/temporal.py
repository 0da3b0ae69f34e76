"""Temporal features: what a network makes of timestep and class alone, rounded as one.

The time layers, the projection of every residual block, that of the variance head and
the class gates are one block, which reads no picture: its inputs are a finite set, so
that its weights are learned on them alone (TIAR of arXiv 2311.16503).
"""

import re
from collections.abc import Mapping
from functools import partial

import numpy as np
import tensorflow as tf

from pdm_tf.acceleration.time_table import Tabulation
from pdm_tf.denoisers.network import NetworkDenoiser
from pdm_tf.errors import InputError
from pdm_tf.networks.transforms import LayerTransform
from pdm_tf.quantization.adaround import Adam, SoftRounded, temperature
from pdm_tf.quantization.deriving import Fitting, Plan
from pdm_tf.quantization.reconstruction import (
    Recipe,
    assign_kept,
    soft_of,
    values_of,
    weights_only,
)

EMBEDDING = r"time_[12]"
FEATURE = r"variance_time|.*/(time|gate)"


def check_network(denoise: NetworkDenoiser) -> None:
    """Raises InputError for a network that is no U-Net, with its features of time."""
    if not hasattr(denoise.network, "embed"):
        name = type(denoise.network).__name__
        raise InputError(
            f"a {name} has no block of time of its own: choose another method, such as "
            "q_diffusion"
        )


def split_plan(plan: Plan) -> tuple[Plan, Plan]:
    """The layers that read time and class alone, and the rest."""
    own = {p: x for p, x in plan.items() if re.fullmatch(f"{EMBEDDING}|{FEATURE}", p)}
    return own, {p: x for p, x in plan.items() if p not in own}


def features_of(
    denoise: NetworkDenoiser,
    plan: Mapping[str, LayerTransform],
    t: np.ndarray,
    labels: np.ndarray,
) -> dict[str, tf.Tensor]:
    """Every temporal feature under a plan above the denoiser's own, by path, [N, C].

    Args:
      denoise: the network's denoiser.
      plan: what happens to its layers.
      t: timesteps, int [N].
      labels: classes, int [N].
    """
    found = Tabulation(denoise.with_plan(plan))
    paths = [path for path in found.layers if re.fullmatch(FEATURE, path)]
    return found.features(paths, t, labels)


def errors_of(
    denoise: NetworkDenoiser,
    plan: Mapping[str, LayerTransform],
    t: np.ndarray | None = None,
) -> dict[str, float]:
    """The squared error of each feature over its square, labels in turn.

    Args:
      denoise: the network's denoiser.
      plan: what disturbs its features.
      t: timesteps, int [N]; None: all.
    """
    t = np.arange(denoise.schedule.timesteps) if t is None else t
    labels = np.arange(len(t)) % (denoise.num_classes + 1)
    wanted = features_of(denoise, {}, t, labels)
    made = features_of(denoise, plan, t, labels)
    return {
        path: float(_squared(made[path] - x) / (_squared(x) + 1e-30))
        for path, x in wanted.items()
    }


def _squared(x: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.square(x))


def reconstruct_temporal(fitting: Fitting, own: Plan, recipe: Recipe) -> None:
    """Codes of all layers of time and class, learned together (TIAR).

    Args:
      fitting: of the network.
      own: its layers of time and class, rounded to nearest so far.
      recipe: how they are trained.
    """
    kept = fitting.context.kept(f"{fitting.name}.temporal")
    if kept is not None:
        assign_kept(own, kept)
        return
    soft = {p: soft_of(x, fitting.kernel(p)) for p, x in own.items() if x.spec.weights}
    first = errors_of(fitting.denoise, weights_only(own))
    nearest = values_of(own)
    _learn(fitting.denoise, soft, recipe)
    for rounded in soft.values():
        rounded.store()
    last = errors_of(fitting.denoise, weights_only(own))
    if sum(last.values()) > sum(first.values()):
        assign_kept(own, nearest)
        last = first
    fitting.context.keep(f"{fitting.name}.temporal", values_of(own))
    fitting.context.note(
        f"temporal features: relative error {np.mean(list(first.values())):.3g} -> "
        f"{np.mean(list(last.values())):.3g}"
    )


def _learn(
    denoise: NetworkDenoiser, soft: Mapping[str, SoftRounded], recipe: Recipe
) -> None:
    """Trains V on draws of timestep and class."""
    if not soft or not recipe.iterations:
        return
    variables = [rounded.v for rounded in soft.values()]
    adam, rng = Adam(variables, recipe.rate), np.random.default_rng(recipe.seed)

    def distance(t: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        wanted = features_of(denoise, {}, t, labels)
        made = features_of(denoise, soft, t, labels)
        off = [tf.math.squared_difference(made[p], x) for p, x in wanted.items()]
        return tf.add_n([tf.reduce_mean(tf.reduce_sum(d, -1)) for d in off])

    @tf.function(autograph=False)
    def step(
        t: tf.Tensor, labels: tf.Tensor, beta: tf.Tensor, on: tf.Tensor, n: tf.Tensor
    ) -> None:
        with tf.GradientTape() as tape:
            between = tf.add_n([rounded.penalty(beta) for rounded in soft.values()])
            loss = distance(t, labels) + recipe.strength * on * between
        adam.apply(tape.gradient(loss, variables), n)

    draw = partial(rng.integers, size=recipe.batch_size, dtype=np.int32)
    for i in range(recipe.iterations):
        beta, active = temperature(i, recipe.iterations, recipe.warm_up)
        t, labels = draw(denoise.schedule.timesteps), draw(denoise.num_classes + 1)
        numbers = (beta, float(active), float(i + 1))
        step(*map(tf.constant, (t, labels, *numbers)))
