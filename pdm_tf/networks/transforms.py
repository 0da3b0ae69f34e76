"""What may happen to a layer from outside: adapters, quantisers, caches.

A plan names layers by path, such as "down_0_0/conv_in", and gives each a transform. It
is a scope: every convolution, projection and upsampling that is called inside it looks
itself up. Nothing is written into the layers, so several plans share one network, and
an empty plan adds no operation.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from copy import copy
from types import MappingProxyType
from typing import Any, NamedTuple, Self

import keras
import tensorflow as tf


class LayerTransform:
    """Changes one layer; the methods that a transform leaves alone change nothing.

    Variables are attributes of the instance. They are float32 whatever the layer
    computes in; a transform casts them to the type of what it is given.

    Attributes:
      timesteps: those that it is made for; None: all.
      guidance: w that its kernel is made at, where w is an input; None for most.
    """

    timesteps: frozenset[int] | None = None
    guidance: float | tf.Tensor | None = None

    @property
    def variables(self) -> Mapping[str, tf.Variable]:
        """Its variables by name."""
        held = vars(self).items()
        return {name: value for name, value in held if isinstance(value, tf.Variable)}

    def inputs(self, x: tf.Tensor, t: tf.Tensor) -> tf.Tensor:
        """What the layer reads: smoothing, activation quantisers, recorders.

        Args:
          x: [B, H, W, C] or [N, C].
          t: timesteps int32 [1 or B].
        """
        return x

    def kernel(self, w: tf.Tensor) -> tf.Tensor:
        """The layer's kernel: low-rank additions, weight quantisers.

        Args:
          w: [h, w, in, out] of a convolution, [in, out] of a projection.
        """
        return w

    def output(self, y: tf.Tensor, x: tf.Tensor, t: tf.Tensor) -> tf.Tensor:
        """What the layer gives, from its output y and its unchanged input x."""
        return y

    def apply(
        self,
        x: tf.Tensor,
        t: tf.Tensor,
        layer: Callable[[tf.Tensor, "LayerTransform"], tf.Tensor],
    ) -> tf.Tensor:
        """The transformed layer; whoever overrides this may leave the layer out.

        Args:
          x: the layer's input.
          t: timesteps int32 [1 or B].
          layer: (input, transform of the kernel) -> output of the layer.
        """
        return self.output(layer(self.inputs(x, t), self), x, t)

    def at_guidance(self, weight: float | tf.Tensor) -> "LayerTransform":
        """The same transform at a weight of guidance, float32 []; mostly itself."""
        return self

    def with_constant_weights(self) -> Self:
        """The same transform, its variables constants."""
        made = copy(self)
        for name, variable in self.variables.items():
            setattr(made, name, variable.numpy())
        return made


LayerPlan = Mapping[str, LayerTransform]


class Stacked(LayerTransform):
    """Several transforms of one layer, that of the base first."""

    def __init__(self, *members: LayerTransform) -> None:
        self.members = members
        taken = [m.guidance for m in members if m.guidance is not None]
        self.guidance = taken[0] if taken else None

    @property
    def variables(self) -> Mapping[str, tf.Variable]:
        return {
            f"{i}.{name}": variable
            for i, member in enumerate(self.members)
            for name, variable in member.variables.items()
        }

    def kernel(self, w: tf.Tensor) -> tf.Tensor:
        for member in self.members:
            w = member.kernel(w)
        return w

    def apply(self, x: tf.Tensor, t: tf.Tensor, layer: Callable) -> tf.Tensor:
        """Each member is the layer that the next one transforms."""

        def nested(count: int) -> Callable:
            if not count:
                return lambda x, _: layer(x, self)
            member, inner = self.members[count - 1], nested(count - 1)
            return lambda x, _: member.apply(x, t, inner)

        return nested(len(self.members))(x, self)

    def at_guidance(self, weight: float | tf.Tensor) -> "Stacked":
        return Stacked(*(member.at_guidance(weight) for member in self.members))

    def with_constant_weights(self) -> "Stacked":
        return Stacked(*(member.with_constant_weights() for member in self.members))


def stacked(base: LayerPlan, above: LayerPlan) -> dict[str, LayerTransform]:
    """Both plans, the one above changing what the base has changed already."""
    plan = dict(base)
    for path, transform in above.items():
        plan[path] = Stacked(plan[path], transform) if path in plan else transform
    return plan


def changes_kernel_alone(transform: LayerTransform) -> bool:
    """Whether all that a transform does is in `kernel`, which can be done ahead."""
    if isinstance(transform, Stacked):
        return all(changes_kernel_alone(member) for member in transform.members)
    names = ("inputs", "output", "apply")
    own, none = type(transform), LayerTransform
    return all(getattr(own, name) is getattr(none, name) for name in names)


class WithoutKernel(LayerTransform):
    """A transform whose kernel is in the layer already: the rest of it."""

    def __init__(self, whole: LayerTransform) -> None:
        self.whole = whole

    def apply(self, x: tf.Tensor, t: tf.Tensor, layer: Callable) -> tf.Tensor:
        return self.whole.apply(x, t, lambda x, _: layer(x, _IDENTITY))


def calls_layer_plainly(transform: LayerTransform) -> bool:
    """Whether a transform calls its layer as `LayerTransform.apply` does, once."""
    if isinstance(transform, Stacked):
        return all(calls_layer_plainly(member) for member in transform.members)
    return type(transform).apply is LayerTransform.apply


def constant_plan(plan: LayerPlan) -> dict[str, LayerTransform]:
    """The plan with constants instead of its variables."""
    return {path: change.with_constant_weights() for path, change in plan.items()}


def guidance_of(plan: LayerPlan) -> float | tf.Tensor | None:
    """The weight of guidance that a plan is at; None where it takes none."""
    taken = (change.guidance for change in plan.values())
    return next((weight for weight in taken if weight is not None), None)


def at_guidance(plan: LayerPlan, weight: tf.Tensor) -> dict[str, LayerTransform]:
    """The plan with all of it at another weight, float32 []."""
    return {path: change.at_guidance(weight) for path, change in plan.items()}


def plan_variables(plan: LayerPlan) -> dict[str, tf.Variable]:
    """All variables of a plan, by layer and name."""
    return {
        f"{path.replace('/', '.')}.{name}": variable
        for path, transform in plan.items()
        for name, variable in transform.variables.items()
    }


class Conditions(NamedTuple):
    """What the network at work is conditioned on."""

    t: tf.Tensor  # int32 [1 or B]
    labels: tf.Tensor | None  # int32 [B]


TIME = "time"  # path of the time embedding as a whole, which has no kernel
_IDENTITY = LayerTransform()
_NO_PLAN: LayerPlan = MappingProxyType({})
_PLAN: ContextVar[LayerPlan] = ContextVar("plan", default=_NO_PLAN)
_CONDITIONS: ContextVar[Conditions | None] = ContextVar("conditions", default=None)


@contextmanager
def transformed(plan: LayerPlan) -> Iterator[None]:
    """While entered, layers are changed as the plan says, and by no other plan."""
    token = _PLAN.set(plan)
    try:
        yield
    finally:
        _PLAN.reset(token)


@contextmanager
def conditions(t: tf.Tensor, labels: tf.Tensor | None) -> Iterator[None]:
    """While entered, transforms see these timesteps and labels."""
    token = _CONDITIONS.set(Conditions(t, labels))
    try:
        yield
    finally:
        _CONDITIONS.reset(token)


def current_plan() -> LayerPlan:
    """The plan in force, for functions that are computed again later."""
    return _PLAN.get()


def current_conditions() -> Conditions:
    """Timesteps and labels of the network at work.

    Raises:
      LookupError: no network is at work.
    """
    found = _CONDITIONS.get()
    if found is None:
        raise LookupError("a transform was applied outside of a network")
    return found


def apply_transform(path: str, x: tf.Tensor, layer: Callable) -> tf.Tensor:
    """A layer's output for x under the plan in force.

    Args:
      path: the layer's path.
      x: its input.
      layer: (input, transform of the kernel) -> output.
    """
    transform = _PLAN.get().get(path)
    if transform is None:
        return layer(x, _IDENTITY)
    return transform.apply(x, current_conditions().t, layer)


def path_of(layer: keras.layers.Layer) -> str:
    """A layer's path in its network: that of its kernel, less network and kernel."""
    return layer.kernel.path.partition("/")[2].rpartition("/")[0]


FACTORS = ("query", "key", "value", "softmax")  # of attention's two products


def points_of(network: keras.Model) -> list[str]:
    """Where a transform may change what attention multiplies, besides its layers.

    Such a point has no kernel: "middle_attention/softmax", for example.
    """
    blocks = [path.removesuffix("qkv") for path in layers_of(network) if "/qkv" in path]
    return [block + name for block in blocks for name in FACTORS]


def check_plan(plan: LayerPlan, network: keras.Model) -> None:
    """Refuses a plan that names what the network does not have.

    Raises:
      ValueError: a path of no layer, which would silently change nothing.
    """
    if not plan:
        return
    unknown = set(plan) - {*layers_of(network), *points_of(network), TIME}
    if unknown:
        raise ValueError(f"plan: the network has no layer {sorted(unknown)[0]!r}")


def layers_of(network: keras.Model) -> dict[str, Any]:
    """Every layer of a network that takes a transform, by path, in order."""
    return {
        path_of(layer): layer
        for layer in network._flatten_layers()
        if hasattr(layer, "apply_kernel")
    }
