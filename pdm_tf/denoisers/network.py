"""The denoiser that evaluates a network."""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any, Self

import keras
import tensorflow as tf

from pdm_tf.denoisers.conditioning import as_labels, null_labels
from pdm_tf.denoisers.denoiser import Denoiser, Prediction
from pdm_tf.diffusion import NoiseLevel, NoiseSchedule
from pdm_tf.diffusion.gaussian import x_from_output
from pdm_tf.networks.constant_weights import (
    all_specs,
    function_of,
    with_constant_weights,
    with_guidance,
)
from pdm_tf.networks.transforms import (
    LayerPlan,
    check_plan,
    guidance_of,
    plan_variables,
    stacked,
    transformed,
)


class NetworkDenoiser(Denoiser):
    """Evaluates a network, which never learns what x, eps, v or a noise level are.

    What leaves it is float32, whatever the network computes in. Without labels it is
    conditioned on the null label.

    Args:
      network: (z, t, labels) -> (output, variance), with a `config`.
      schedule: the schedule that it was trained with.
      prediction: what its output means: x, eps or v.
      labels: classes, int32 [B], or rows of conditions, float32 [B, n], or None.
      apart: keep the network a function of its own, so that its numbers do not depend
        on what surrounds it; without this a training step is a few per cent faster.
      plan: what happens to the network's layers in this denoiser, and in no other.
    """

    def __init__(
        self,
        network: keras.Model,
        schedule: NoiseSchedule,
        prediction: str = "x",
        labels: tf.Tensor | None = None,
        apart: bool = True,
        plan: LayerPlan | None = None,
    ) -> None:
        self.network, self.schedule = network, schedule
        self.prediction, self.labels = prediction, labels
        self.augmentation: tf.Tensor | None = None
        self.image_shape = tuple(network.config.image_shape)
        self.num_classes = network.config.num_classes
        self.conditions = getattr(network, "conditions", None)
        self.learns_variance = getattr(network, "learns_variance", True)
        check_plan(plan or {}, network)
        self.plan, self.apart, self.constant = plan or {}, apart, False
        self.guidance = guidance_of(self.plan)
        # As a function of its own the network is optimised by itself: in a split or
        # under guidance it then gives the same bits as alone.
        self._evaluate = self._within_plan
        if apart:
            self._evaluate = function_of(network, network, self.plan)

    def _within_plan(self, *inputs: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor]:
        plan, given = with_guidance(self.network, self.plan, inputs)
        with transformed(plan):
            return self.network(*given)

    @property
    def variables(self) -> Mapping[str, tf.Variable]:
        if self.constant:
            return {}
        held = {
            f"network.{v.path.replace('/', '.')}": v.value
            for v in getattr(self.network, "variables", ())
        }
        own = plan_variables(self.plan).items()
        return held | {f"plan.{name}": variable for name, variable in own}

    def with_plan(self, plan: LayerPlan) -> Self:
        """The same network with a plan above the one that it has."""
        return type(self)(
            self.network,
            self.schedule,
            self.prediction,
            self.labels,
            self.apart,
            stacked(self.plan, plan),
        )

    def conditioned(self, labels: tf.Tensor | None = None) -> Self:
        if not self.takes_conditions:
            super().conditioned(labels)
        made = copy(self)
        made.labels = None if labels is None else as_labels(self, labels)
        return made

    def at_guidance(self, weight: float | tf.Tensor) -> Self:
        if self.guidance is None:
            return self
        made = copy(self)
        made.guidance = weight
        return made

    def augmented(self, augmentation: tf.Tensor) -> Self:
        """The same, conditioned on how its pictures were augmented; for training.

        Args:
          augmentation: float32 [B, 9], see `objectives.augmentation`.
        """
        made = copy(self)
        made.augmentation = augmentation
        return made

    def with_constant_weights(self) -> Self:
        made = copy(self)
        made.constant = True
        made._evaluate = with_constant_weights(self.network, self.plan)
        return made

    def with_one_trace(self) -> Self:
        """The same denoiser for serving: one graph of its network for any batch."""
        made = copy(self)
        specs = all_specs(self.network, self.plan)
        network = self.network
        evaluate = function_of(network, network, self.plan, specs, plain=True)
        made._evaluate = lambda *given: evaluate(*(v for v in given if v is not None))
        return made

    def compiled(self, body: Callable, extra: Sequence[Any] = ()) -> Callable:
        """A function of the network in this denoiser's plan, of weights as it has them.

        Args:
          body: (z, t, labels or nothing, *extra) -> nest of tensors.
          extra: signature of what is given beside `inputs`.
        """
        specs = [*all_specs(self.network, self.plan), *extra]
        return function_of(self.network, body, self.plan, specs, self.constant)

    def inputs(self, z: tf.Tensor, level: NoiseLevel) -> list[tf.Tensor | None]:
        """What the network reads: z, t and, with classes, labels.

        While it is trained on augmented pictures, how they were augmented too; after
        these the weight of guidance, where the plan takes it.
        """
        given = self._conditions(z, level)
        if self.guidance is not None:
            return [*given, tf.convert_to_tensor(self.guidance, tf.float32)]
        if self.augmentation is None:
            return given
        return [*given, *[None] * (3 - len(given)), self.augmentation]

    def _conditions(self, z: tf.Tensor, level: NoiseLevel) -> list[tf.Tensor]:
        continuous = getattr(self.network, "continuous_time", False)
        time = self.schedule.time(level) if continuous else level.t
        t = tf.reshape(time, [-1])  # [1] when all pictures share one level
        z = self.schedule.as_trained(z, level)
        if not self.takes_conditions:
            return [z, t]
        if self.labels is None:
            return [z, t, null_labels(self, tf.shape(z)[0])]
        return [z, t, self.labels]

    def prediction_of(
        self, z: tf.Tensor, level: NoiseLevel, output: tf.Tensor, variance: tf.Tensor
    ) -> Prediction:
        """The network's output and variance as an estimate of x."""
        level = level.per_pixel()
        return Prediction(
            x_from_output(self.prediction, z, tf.cast(output, tf.float32), level),
            tf.cast(variance, tf.float32),
        )

    def __call__(self, z: tf.Tensor, level: NoiseLevel) -> Prediction:
        return self.prediction_of(z, level, *self._evaluate(*self.inputs(z, level)))
