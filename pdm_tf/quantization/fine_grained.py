"""Fine-grained reconstruction (FBR of arXiv 2401.04585): a block and each layer in it
learn to give what they gave.

Rounding of weights and steps of activations are learned together; what a block reads is
drawn, number by number, from before and after quantisation (QDrop, arXiv 2203.05740).
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, Self

import numpy as np
import tensorflow as tf

from pdm_tf.networks.transforms import LayerPlan, LayerTransform
from pdm_tf.quantization.adaround import SoftRounded
from pdm_tf.quantization.blocks import BlockData, compute_block, read_block
from pdm_tf.quantization.deriving import Fitting, Plan
from pdm_tf.quantization.learned_step import LearnedStep
from pdm_tf.quantization.reconstruction import (
    Recipe,
    WeightsOnly,
    distance,
    error_of,
    learn_in_turn,
    soft_of,
    train,
)

MIXED = 0.5  # share of the numbers that a block reads as they were
# Last layers of blocks, the first that is there: their errors are the block's already.
LAST = ("skip", "conv_out", "out", "conv")


class BothData(NamedTuple):
    """What a block reads after quantised ones, and what it read before."""

    x: np.ndarray  # float32 [R, h, w, c]
    time: np.ndarray  # float32 [R, T]
    classes: np.ndarray  # float32 [R, E]
    t: np.ndarray  # int32 [R]
    labels: np.ndarray  # int32 [R]
    output: np.ndarray  # float32 [R, h, w, C], that it gave
    clean_x: np.ndarray  # like x
    clean_time: np.ndarray  # like time
    clean_classes: np.ndarray  # like classes

    def taken(self, rows: np.ndarray) -> Self:
        """Some rows."""
        return type(self)(*(value[rows] for value in self))

    def given(self) -> BlockData:
        """What the block reads after quantised ones."""
        return BlockData(*self[:6])

    def clean(self) -> BlockData:
        """What the block read before quantisation."""
        read = self.clean_x, self.clean_time, self.clean_classes
        return BlockData(*read, self.t, self.labels, self.output)


class Watched(LayerTransform):
    """A transform whose layer's output is kept, for one call at a time.

    Args:
      change: what happens to the layer.
    """

    def __init__(self, change: LayerTransform) -> None:
        self.change, self.found = change, tf.zeros([])

    def kernel(self, w: tf.Tensor) -> tf.Tensor:
        return self.change.kernel(w)  # asked for where it stands above another

    def apply(
        self, x: tf.Tensor, t: tf.Tensor, layer: Callable[..., tf.Tensor]
    ) -> tf.Tensor:
        self.found = self.change.apply(x, t, layer)
        return self.found


def layer_distance(
    block: Any,
    base: LayerPlan,
    plan: LayerPlan,
    layers: Iterable[str],
    rows: BothData,
    given: BlockData,
) -> tuple[tf.Tensor, tf.Tensor]:
    """How far a block's output is from what it gave, and the sum over its layers.

    Args:
      block: is computed twice: quantised, and as it was on what it read then.
      base: the plan of the base.
      plan: of what learns, above it.
      layers: paths of the layers whose own errors count.
      rows: of the block.
      given: the rows that the quantised block reads.
    """
    made = {path: Watched(plan[path]) for path in layers}
    wanted = {path: Watched(LayerTransform()) for path in made}
    output = compute_block(block, base, {**plan, **made}, given)
    compute_block(block, base, wanted, rows.clean())
    inner = [distance(made[path].found, wanted[path].found) for path in made]
    return distance(output, rows.output), tf.add_n(inner)


def learn_block(
    block: Any,
    base: LayerPlan,
    soft: Mapping[str, SoftRounded],
    steps: Mapping[str, LearnedStep],
    data: BothData,
    recipe: Recipe,
    layer_weight: float,
) -> None:
    """Trains roundings and steps of a block together, without a penalty.

    Args:
      block: whose output counts.
      base: the plan of the base.
      soft: kernels of its layers, whose rounding learns.
      steps: its layers and factors, whose steps learn; the kernels are in them.
      data: of the block.
      recipe: rates, iterations and batch size; its penalty is left out.
      layer_weight: of the layers' own errors; 0: plain reconstruction of the block.
    """
    plan: dict[str, LayerTransform] = {**soft, **steps}
    inner = inner_of(soft)
    draws = tf.random.Generator.from_seed(recipe.seed)

    def loss(rows: BothData, beta: tf.Tensor, counts: tf.Tensor) -> tf.Tensor:
        kept = draws.uniform(tf.shape(rows.x)) < MIXED
        given = rows.given()._replace(x=tf.where(kept, rows.clean_x, rows.x))
        if not (layer_weight and inner):
            return distance(compute_block(block, base, plan, given), rows.output)
        output, errors = layer_distance(block, base, plan, inner, rows, given)
        return output + layer_weight * errors

    rates = [recipe.rate] * len(soft) + [recipe.activation_rate] * len(steps)
    variables = [rounded.v for rounded in soft.values()]
    variables += [learned.log_step for learned in steps.values()]
    train(loss, variables, data, recipe, recipe.iterations, rates)


def inner_of(paths: Iterable[str]) -> list[str]:
    """The layers of a block but for the last one."""
    found = {path.rpartition("/")[2]: path for path in paths}
    last = next((name for name in LAST if name in found), None)
    return [path for name, path in found.items() if name != last]


def read_both(fitting: Fitting, before: LayerPlan, block: Any) -> BothData:
    """A block's rows, after quantised blocks and as they were."""
    wanted = read_block(fitting.denoise, {}, fitting.rows, block.name)
    given = read_block(fitting.denoise, before, fitting.rows, block.name)
    return BothData(
        *given._replace(output=wanted.output),
        wanted.x,
        wanted.time,
        wanted.classes,
    )


def reconstruct_finely(fitting: Fitting, recipe: Recipe, layer_weight: float) -> None:
    """Codes and ranges of all blocks, learned together; those of other layers stay.

    Args:
      fitting: of the network; its layers are rounded to nearest.
      recipe: how blocks are trained.
      layer_weight: of the errors of layers beside that of their block.
    """
    base = fitting.denoise.plan

    def learn(block: Any, own: Plan, data: BothData) -> tuple[float, float]:
        soft = {
            path: soft_of(layer, fitting.kernel(path))
            for path, layer in own.items()
            if layer.spec.weights and layer.shape
        }
        steps = {
            path: LearnedStep(layer, soft.get(path, WeightsOnly(layer)))
            for path, layer in own.items()
            if layer.spec.activations
        }
        before = error_of(block, base, own, data.given())
        learn_block(block, base, soft, steps, data, recipe, layer_weight)
        for rounded in soft.values():
            rounded.store()
        for learned in steps.values():
            learned.store()
        return before, error_of(block, base, own, data.given())

    learn_in_turn(fitting, "fine", fitting.plan, learn, read_both)
