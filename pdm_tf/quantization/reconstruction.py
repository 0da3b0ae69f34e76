"""Reconstruction: block after block learns to give what it gave before quantisation.

Each block is trained on its own: what it reads is what the quantised blocks before it
give, and what it shall give is what the unquantised network gives (BRECQ, arXiv
2102.05426).
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from pdm_tf.errors import SettingError
from pdm_tf.networks.transforms import LayerPlan, LayerTransform
from pdm_tf.quantization.adaround import Adam, SoftRounded, temperature
from pdm_tf.quantization.blocks import BlockData, blocks_of, compute_block, read_block
from pdm_tf.quantization.deriving import Fitting, Plan
from pdm_tf.quantization.float_layer import FloatLayer, SoftFloat
from pdm_tf.quantization.layer import QuantizedLayer
from pdm_tf.quantization.learned_step import LearnedStep

# Variables that a stage learns: the others are as they were found.
LEARNED = {"weights": ("codes",), "activations": ("low", "high")}
LEARNED["fine"] = ("codes", "low", "high")


class Recipe(NamedTuple):
    """How blocks are trained."""

    iterations: int  # of weights
    activation_iterations: int  # of the steps of activations
    batch_size: int
    rate: float  # of V
    activation_rate: float  # of logarithms of steps
    strength: float = 0.01  # of the penalty on weights between two codes
    warm_up: float = 0.2  # share of iterations without it
    annealed: bool = False  # rates fall to 0 as a cosine
    seed: int = 0


def check_counts(config: Any, **least: int) -> None:
    """Raises SettingError for a setting of a method that is below its least value."""
    for name, low in least.items():
        value = getattr(config, name)
        if value < low:
            raise SettingError(name, value, f"give {low} or more")


class WeightsOnly(LayerTransform):
    """A quantised layer that reads what it is given."""

    def __init__(self, layer: QuantizedLayer) -> None:
        self._layer = layer

    def kernel(self, w: tf.Tensor) -> tf.Tensor:
        return self._layer.kernel(w)


def weights_only(plan: Plan) -> dict[str, LayerTransform]:
    """A plan without activations."""
    return {path: WeightsOnly(layer) for path, layer in plan.items()}


def layers_in(plan: Plan, block: Any) -> Plan:
    """The part of a plan within a block."""
    return {p: layer for p, layer in plan.items() if p.startswith(f"{block.name}/")}


def reconstruct_weights(fitting: Fitting, recipe: Recipe) -> None:
    """Codes of the kernels of all blocks, learned; of other layers they stay."""

    def learn(block: Any, own: Plan, data: BlockData) -> tuple[float, float]:
        soft = {
            path: soft_of(layer, fitting.kernel(path))
            for path, layer in own.items()
            if layer.spec.weights and layer.shape
        }
        hard = weights_only(own)
        before = error_of(block, fitting.denoise.plan, hard, data)
        learn_rounding(block, fitting.denoise.plan, soft, data, recipe)
        for rounded in soft.values():
            rounded.store()
        return before, error_of(block, fitting.denoise.plan, hard, data)

    learn_in_turn(fitting, "weights", weights_only(fitting.plan), learn)


def reconstruct_activations(fitting: Fitting, recipe: Recipe) -> None:
    """Ranges of what the layers of all blocks read, learned; of others they stay."""

    def learn(block: Any, own: Plan, data: BlockData) -> tuple[float, float]:
        plan = {
            path: LearnedStep(layer, WeightsOnly(layer))
            for path, layer in own.items()
            if layer.spec.activations
        }
        before = error_of(block, fitting.denoise.plan, own, data)
        learn_steps(block, fitting.denoise.plan, plan, data, recipe)
        for learned in plan.values():
            learned.store()
        return before, error_of(block, fitting.denoise.plan, own, data)

    learn_in_turn(fitting, "activations", fitting.plan, learn)


def soft_of(layer: QuantizedLayer, kernel: np.ndarray) -> SoftRounded:
    """A kernel whose rounding is learned, in the layer's own format."""
    if isinstance(layer, FloatLayer):
        return SoftFloat(layer, kernel)
    return SoftRounded(layer, kernel)


def _data_of(fitting: Fitting, before: LayerPlan, block: Any) -> BlockData:
    """What the block reads after quantised ones, and what it shall give."""
    denoise, rows = fitting.denoise, fitting.rows
    wanted = read_block(denoise, {}, rows, block.name)
    given = read_block(denoise, before, rows, block.name)
    return given._replace(output=wanted.output)


Read = Callable[[Fitting, LayerPlan, Any], Any]
Learn = Callable[[Any, Plan, Any], tuple[float, float]]


def learn_in_turn(
    fitting: Fitting,
    stage: str,
    before: LayerPlan,
    learn: Learn,
    read: Read = _data_of,
) -> None:
    """Learns every block, or takes what an earlier command has learned of it.

    Args:
      fitting: of the network.
      stage: a word for what is learned.
      before: the plan under which blocks read.
      learn: (block, its layers, its data) -> error before and after.
      read: makes the data of a block.
    """
    context, began, done = fitting.context, time.monotonic(), 0
    blocks = [
        b for b in blocks_of(fitting.denoise.network) if layers_in(fitting.plan, b)
    ]
    for i, block in enumerate(blocks):
        own, name = (
            layers_in(fitting.plan, block),
            f"{fitting.name}.{stage}.{block.name}",
        )
        kept = context.kept(name)
        if kept is not None:
            assign_kept(own, kept)
            continue
        data = read(fitting, before, block)
        first, last = learn(block, own, data)
        context.keep(name, values_of(own, LEARNED[stage]))
        done += 1
        left = (time.monotonic() - began) / done * (len(blocks) - i - 1)
        context.note(
            f"{stage} {i + 1}/{len(blocks)} {block.name}: error {first:.3g} -> "
            f"{last:.3g}; {left / 60:.0f} min left"
        )


def values_of(own: Plan, names: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """What the layers of a plan hold under some names, None for all, to be kept."""
    return {
        f"{path}:{name}": variable.numpy()
        for path, layer in own.items()
        for name, variable in layer.variables.items()
        if names is None or name in names
    }


def assign_kept(own: Plan, kept: Mapping[str, np.ndarray]) -> None:
    """Gives layers what `values_of` returned."""
    for key, value in kept.items():
        path, _, name = key.rpartition(":")
        own[path].variables[name].assign(value)


def distance(made: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor:
    """Squared error: the sum over channels, the mean over everything else."""
    return tf.reduce_mean(tf.reduce_sum(tf.math.squared_difference(made, wanted), -1))


def error_of(block: Any, base: LayerPlan, plan: LayerPlan, data: BlockData) -> float:
    """The distance of what a block gives to what it shall give, over some rows."""
    some = data.taken(np.linspace(0, len(data.t) - 1, min(64, len(data.t))).astype(int))
    return float(distance(compute_block(block, base, plan, some), some.output))


def learn_rounding(
    block: Any,
    base: LayerPlan,
    plan: Mapping[str, SoftRounded],
    data: BlockData,
    recipe: Recipe,
) -> None:
    """Trains V of the layers of a block."""
    variables = [rounded.v for rounded in plan.values()]

    def penalty(beta: tf.Tensor, counts: tf.Tensor) -> tf.Tensor:
        between = tf.add_n([rounded.penalty(beta) for rounded in plan.values()])
        return recipe.strength * counts * between

    def loss(rows: BlockData, beta: tf.Tensor, counts: tf.Tensor) -> tf.Tensor:
        made = compute_block(block, base, plan, rows)
        return distance(made, rows.output) + penalty(beta, counts)

    train(loss, variables, data, recipe, recipe.iterations, recipe.rate)


def learn_steps(
    block: Any,
    base: LayerPlan,
    plan: Mapping[str, LearnedStep],
    data: BlockData,
    recipe: Recipe,
) -> None:
    """Trains the steps of what the layers of a block read."""
    variables = [learned.log_step for learned in plan.values()]

    def loss(rows: BlockData, beta: tf.Tensor, counts: tf.Tensor) -> tf.Tensor:
        return distance(compute_block(block, base, plan, rows), rows.output)

    count = recipe.activation_iterations
    train(loss, variables, data, recipe, count, recipe.activation_rate)


def train(
    loss: Callable[[Any, tf.Tensor, tf.Tensor], tf.Tensor],
    variables: list[tf.Variable],
    data: Any,
    recipe: Recipe,
    iterations: int,
    rate: float | Sequence[float],
) -> None:
    """Trains variables of a block on batches of its rows.

    Args:
      loss: (some of the data, exponent of the penalty, whether it counts) -> loss.
      variables: what learns.
      data: `BlockData`, or another tuple of arrays by row that can be `taken`.
      recipe: batch size, warm-up and seed.
      iterations: how many batches.
      rate: step size of Adam, of all or of each.
    """
    if not variables or not iterations:
        return
    adam, rng = Adam(variables, rate), np.random.default_rng(recipe.seed)

    @tf.function(autograph=False)
    def step(rows: Any, beta: tf.Tensor, on: tf.Tensor, *moved: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            total = loss(rows, beta, on)
        adam.apply(tape.gradient(total, variables), *moved)

    size = min(recipe.batch_size, len(data.t))
    for i in range(iterations):
        beta, active = temperature(i, iterations, recipe.warm_up)
        chosen = rng.choice(len(data.t), size, replace=False)
        rows = type(data)(*map(tf.constant, data.taken(chosen)))
        share = 0.5 + 0.5 * np.cos(np.pi * i / iterations) if recipe.annealed else 1.0
        numbers = beta, float(active), float(i + 1), float(share)
        step(rows, *map(tf.constant, numbers))
