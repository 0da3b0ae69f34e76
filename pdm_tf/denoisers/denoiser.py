"""What a denoiser is."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Self, TypeAlias

import tensorflow as tf

from pdm_tf.config import InputError
from pdm_tf.config.conditioning import Conditions
from pdm_tf.config.sampling import SamplerDefault
from pdm_tf.diffusion import NoiseLevel, NoiseSchedule

Carry: TypeAlias = Any  # nest of tensors, each with one row for each picture


class Prediction(NamedTuple):
    """An estimate of the clean picture."""

    x: tf.Tensor  # float32 [B, H, W, C]; eps and v follow from it
    variance: tf.Tensor  # float32 [B, H, W, C] in [0, 1]: 0 -> beta, 1 -> beta-tilde


class Denoiser(ABC):
    """Maps noisy pictures and their level to an estimate of the clean ones.

    Attributes:
      image_shape: height, width and channels.
      num_classes: number of classes it can be conditioned on; 0 for none.
      conditions: what is in the rows that it is conditioned on, where these are more
        than one class each; None for most.
      schedule: the schedule whose timesteps it understands.
      distilled_guidance: w that its estimates have without a second evaluation, so
        that sampling adds no guidance; None for most.
      guidance_range: least and largest w that it takes as an input, see
        `at_guidance`; then `distilled_guidance` is that of a denoiser of which none
        was asked. None for most.
      own_sampler: sampler and steps that it was made for; None for most.
      learns_variance: whether its variance is learnt, and not 1 everywhere.
    """

    image_shape: tuple[int, ...]
    num_classes: int
    schedule: NoiseSchedule
    conditions: Conditions | None = None
    distilled_guidance: float | None = None
    guidance_range: tuple[float, float] | None = None
    own_sampler: SamplerDefault | None = None
    learns_variance: bool = True

    @property
    def variables(self) -> Mapping[str, tf.Variable]:
        """All variables that an export or a checkpoint must hold, by name."""
        return {}

    @property
    def takes_conditions(self) -> bool:
        """Whether it can be conditioned on anything."""
        return bool(self.num_classes) or self.conditions is not None

    @property
    def guide(self) -> "Denoiser | None":
        """What guidance leads away from; None: the estimate without labels."""
        return None

    @abstractmethod
    def __call__(self, z: tf.Tensor, level: NoiseLevel) -> Prediction:
        """The estimate for z, float32 [B, H, W, C], at a level [] or [B]."""

    def init_carry(self, z: tf.Tensor) -> Carry:
        """What is carried into the first step of a trajectory from z; mostly nothing.

        Returns:
          A nest of tensors, each with one row for each picture of z. Shapes and types
          stay through a trajectory.
        """
        return ()

    def predict(
        self, z: tf.Tensor, level: NoiseLevel, carry: Carry
    ) -> tuple[Prediction, Carry]:
        """The estimate for z, and what is carried to the next call."""
        return self(z, level), carry

    def conditioned(self, labels: tf.Tensor | None = None) -> "Denoiser":
        """The same denoiser, conditioned on classes int32 [B]; num_classes means none.

        With `conditions` on rows of them, float32 [B, n], or on classes, of whose
        pictures no attribute is known. Without labels: unconditional again.

        Raises:
          InputError: it knows no classes.
        """
        if labels is None:
            return self
        raise InputError("labels were given, but the model has no classes")

    def at_guidance(self, weight: float | tf.Tensor) -> "Denoiser":
        """The same denoiser, its estimates of a w, where that is an input of it.

        Args:
          weight: w; a float32 tensor [] leaves it open in a graph.
        """
        return self

    def with_constant_weights(self) -> "Denoiser":
        """The same denoiser for serving: its weights are constants of the graph."""
        return self

    def with_one_trace(self) -> "Denoiser":
        """The same denoiser for serving, of large weights: one graph for any batch."""
        return self

    def map_innermost(self, change: Callable[["Denoiser"], "Denoiser"]) -> "Denoiser":
        """The same composition, each denoiser that wraps no other one changed.

        So a cache or an adapter takes hold below guidance, thresholds and splits.
        """
        return change(self)

    # Names of version 0.1.
    def labelled(self, labels: tf.Tensor) -> "Denoiser":
        """`conditioned`."""
        return self.conditioned(labels)

    def frozen(self) -> "Denoiser":
        """`with_constant_weights`."""
        return self.with_constant_weights()


class StatefulDenoiser(Denoiser):
    """Carries tensors from step to step, or is made of denoisers that may.

    The sampling loop owns what is carried, so that a denoiser can be shared. Called
    without it, a denoiser starts afresh.
    """

    @abstractmethod
    def init_carry(self, z: tf.Tensor) -> Carry: ...

    @abstractmethod
    def predict(
        self, z: tf.Tensor, level: NoiseLevel, carry: Carry
    ) -> tuple[Prediction, Carry]: ...

    def __call__(self, z: tf.Tensor, level: NoiseLevel) -> Prediction:
        return self.predict(z, level, self.init_carry(z))[0]


class Wrapper(StatefulDenoiser):
    """A denoiser made of another one: says only what it changes.

    Args:
      denoise: the inner denoiser.
    """

    def __init__(self, denoise: Denoiser) -> None:
        self.denoise = denoise
        self.image_shape, self.schedule = denoise.image_shape, denoise.schedule
        self.num_classes, self.conditions = denoise.num_classes, denoise.conditions
        self.distilled_guidance = denoise.distilled_guidance
        self.guidance_range = denoise.guidance_range
        self.own_sampler = denoise.own_sampler
        self.learns_variance = denoise.learns_variance

    @property
    def variables(self) -> Mapping[str, tf.Variable]:
        return self.denoise.variables

    @property
    def guide(self) -> Denoiser | None:
        return self.denoise.guide

    def wrapping(self, denoise: Denoiser) -> Self:
        """The same wrapper around another denoiser of the same pictures."""
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__)
        made.denoise = denoise
        return made

    def init_carry(self, z: tf.Tensor) -> Carry:
        return self.denoise.init_carry(z)

    def predict(
        self, z: tf.Tensor, level: NoiseLevel, carry: Carry
    ) -> tuple[Prediction, Carry]:
        prediction, carry = self.denoise.predict(z, level, carry)
        return self.changed(prediction, level), carry

    def changed(self, prediction: Prediction, level: NoiseLevel) -> Prediction:
        """What becomes of the inner denoiser's estimate."""
        return prediction

    def conditioned(self, labels: tf.Tensor | None = None) -> Denoiser:
        return self.wrapping(self.denoise.conditioned(labels))

    def at_guidance(self, weight: float | tf.Tensor) -> Denoiser:
        return self.wrapping(self.denoise.at_guidance(weight))

    def with_constant_weights(self) -> Self:
        return self.wrapping(self.denoise.with_constant_weights())

    def map_innermost(self, change: Callable[[Denoiser], Denoiser]) -> Self:
        return self.wrapping(self.denoise.map_innermost(change))


def timesteps_of(denoise: Denoiser) -> frozenset[int] | None:
    """The timesteps that all networks of a composition are made for; None: any."""
    found: list[frozenset[int]] = []

    def look(inner: Denoiser) -> Denoiser:
        for change in getattr(inner, "plan", {}).values():
            for member in getattr(change, "members", (change,)):
                if member.timesteps is not None:
                    found.append(member.timesteps)
        return inner

    denoise.map_innermost(look)
    return frozenset.intersection(*found) if found else None
