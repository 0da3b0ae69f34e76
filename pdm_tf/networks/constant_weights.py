"""A network as it is served: its weights never change again."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras
import tensorflow as tf

from pdm_tf.networks.derivatives import derived_by_tensorflow
from pdm_tf.networks.transforms import (
    LayerPlan,
    LayerTransform,
    WithoutKernel,
    at_guidance,
    calls_layer_plainly,
    changes_kernel_alone,
    constant_plan,
    guidance_of,
    layers_of,
    transformed,
)


def function_of(
    network: keras.Model,
    body: Callable,
    plan: LayerPlan,
    inputs: Sequence[Any] | None = None,
    constant: bool = False,
    plain: bool = False,
) -> Callable:
    """A function of a network, kept apart: it is not inlined where it is called.

    So its numbers do not depend on what surrounds it.

    Args:
      network: the network that `body` calls.
      body: tensors -> nest of tensors, such as the network itself.
      plan: what happens to the network's layers inside. One that takes a weight of
        guidance reads it after the network's own inputs, and `body` does not.
      inputs: signature of all inputs; then there is one trace for any batch.
      constant: make the weights constants of the graph. Only filters that are
        constants does oneDNN lay out for its convolutions once; those of variables it
        lays out again in every call. Weights are read now. A graph with constants
        takes many times their memory while it is made, so this is for what is not
        too large. Such a graph is plain.
      plain: leave gradients to TensorFlow, see `networks.derivatives`; for graphs that
        are saved.
    """
    values: list[tuple[keras.Variable, Any]] = []
    if constant:
        values, plan = _constants(network, plan)

    def weights() -> AbstractContextManager:
        if not constant:
            return nullcontext()
        return keras.StatelessScope(
            state_mapping=[(v, tf.constant(value)) for v, value in values]
        )

    def call(*given: tf.Tensor) -> Any:
        derived = derived_by_tensorflow() if constant or plain else nullcontext()
        own, given = with_guidance(network, plan, given)
        with transformed(own), derived, weights():
            return body(*given)

    return tf.function(
        call,
        input_signature=inputs,
        autograph=False,
        experimental_attributes={"_noinline": True},
    )


def _constants(
    network: keras.Model, plan: LayerPlan
) -> tuple[list[tuple[keras.Variable, Any]], LayerPlan]:
    """Variables with their values, and what of a plan is left to do to them.

    Kernels are changed here where that can be done apart from the rest: changed in the
    graph, they would be in it, and in an export, a second time as they were. What takes
    a weight of guidance can be done only where it is known.
    """
    left, changed = constant_plan(plan), {}
    layers = layers_of(network) if plan else {}
    for path in [p for p, t in left.items() if p in layers and _is_fixed(t)]:
        kernel, change = layers[path].kernel, left.pop(path)
        with tf.init_scope():
            given = tf.constant(kernel.numpy())
            made = change.kernel(given)
            if made is not given:
                changed[kernel.path] = tf.convert_to_tensor(made).numpy()
        if not changes_kernel_alone(change):
            left[path] = WithoutKernel(change)
    values = [(v, changed.get(v.path)) for v in network.variables]
    return [(v, v.numpy() if w is None else w) for v, w in values], left


def _is_fixed(change: LayerTransform) -> bool:
    return calls_layer_plainly(change) and change.guidance is None


def with_guidance(
    network: keras.Model, plan: LayerPlan, given: tuple[Any, ...]
) -> tuple[LayerPlan, tuple[Any, ...]]:
    """A plan at the weight that is among what is given, and the rest of that."""
    if guidance_of(plan) is None:
        return plan, given
    at = len(input_specs(network))
    return at_guidance(plan, given[at]), (*given[:at], *given[at + 1 :])


def all_specs(network: keras.Model, plan: LayerPlan) -> list[tf.TensorSpec]:
    """Signature of the network's inputs and, where a plan takes it, of guidance."""
    weight = [] if guidance_of(plan) is None else [tf.TensorSpec([], tf.float32)]
    return [*input_specs(network), *weight]


def input_specs(network: keras.Model) -> list[tf.TensorSpec]:
    """Signature of z, t and, with classes or conditions, labels, for any batch."""
    many = tf.TensorSpec([None], tf.int32)
    continuous = getattr(network, "continuous_time", False)
    time = tf.TensorSpec([None], tf.float32) if continuous else many
    inputs = [tf.TensorSpec([None, *network.config.image_shape], tf.float32), time]
    conditions = getattr(network, "conditions", None)
    if conditions is not None:
        return [*inputs, tf.TensorSpec([None, conditions.size], tf.float32)]
    return [*inputs, many] if network.config.num_classes else inputs


def with_constant_weights(network: keras.Model, plan: LayerPlan | None = None) -> Any:
    """The network as one function of any batch, its weights constants of its graph.

    Args:
      network: (z, t, labels) -> (output, variance), with a `config`.
      plan: what happens to its layers.

    Returns:
      (z float32 [B, H, W, C], t int32 [B] or [1], labels int32 [B] or None, guidance
      float32 [] where the plan takes it) -> the same, to rounding.
    """
    specs = all_specs(network, plan or {})
    compiled = function_of(network, network, plan or {}, specs, constant=True)

    def call(*given: tf.Tensor | None) -> Any:
        return compiled(*(value for value in given if value is not None))

    return call
