"""A network of which most evaluations compute only a part, and read the rest."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple, Self

import tensorflow as tf

from pdm_tf.acceleration.key_steps import KeySteps
from pdm_tf.denoisers.denoiser import Denoiser, Prediction, Wrapper
from pdm_tf.denoisers.network import NetworkDenoiser
from pdm_tf.diffusion import NoiseLevel
from pdm_tf.errors import InputError


class Carried(NamedTuple):
    """What goes from one evaluation to the next, a row for each picture."""

    phase: tf.Tensor  # int32 [B], see `key_steps`
    features: Any  # nest of [B, h, w, c], of the last key step


class CachedNetwork(Wrapper):
    """Computes everything at key steps and in between goes on from what they gave.

    Stands around a network itself, below guidance and splits, so that each of their
    parts carries features of its own. Called without a carry it is the network.

    Args:
      denoise: the network's denoiser.
      key_steps: which evaluations compute everything.

    Raises:
      InputError: no network that has an encoder and a decoder of its own.
    """

    denoise: NetworkDenoiser

    def __init__(self, denoise: Denoiser, key_steps: KeySteps) -> None:
        network = getattr(denoise, "network", None)
        if isinstance(denoise, NetworkDenoiser) and not hasattr(network, "decode"):
            raise InputError(
                f"a {type(network).__name__} has no encoder and decoder to keep "
                "features of: this is for U-Nets"
            )
        if not isinstance(denoise, NetworkDenoiser):
            raise InputError(
                f"a {type(denoise).__name__} has no features to keep: derive from a "
                "network that is not cached yet"
            )
        super().__init__(denoise)
        self.key_steps = key_steps
        self.check()
        self._compile()

    def check(self) -> None:
        """Raises SettingError for settings that do not fit the network."""

    @abstractmethod
    def full(
        self, z: tf.Tensor, t: tf.Tensor, labels: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor, Any]:
        """Output and variance of the whole network, and the features to keep."""

    @abstractmethod
    def cheap(
        self, z: tf.Tensor, t: tf.Tensor, labels: tf.Tensor | None, features: Any
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Output and variance from features of an earlier evaluation."""

    def _compile(self) -> None:
        """Functions of the network as its denoiser holds it, one for each way."""
        full: Any = self.denoise.compiled(_of_inputs(self.full, self.num_classes))
        found = full.get_concrete_function().structured_outputs[2]
        self.run_full = full
        self.kept = tf.nest.map_structure(
            lambda spec: tf.TensorSpec(spec.shape, spec.dtype), found
        )
        cheap = _of_inputs(self.cheap, self.num_classes)
        self.run_cheap: Any = self.denoise.compiled(cheap, [self.kept])

    def with_constant_weights(self) -> Self:
        return self.map_innermost(lambda denoise: denoise.with_constant_weights())

    def map_innermost(self, change: Callable[[Denoiser], Denoiser]) -> Self:
        """The same cache around a network that was changed, compiled again."""
        made = self.wrapping(self.denoise.map_innermost(change))
        CachedNetwork.__init__(made, made.denoise, self.key_steps)
        return made

    def __call__(self, z: tf.Tensor, level: NoiseLevel) -> Prediction:
        return self.denoise(z, level)

    def init_carry(self, z: tf.Tensor) -> Carried:
        count = tf.shape(z)[:1]

        def empty(spec: tf.TensorSpec) -> tf.Tensor:
            zeros = tf.zeros(tf.concat([count, spec.shape[1:]], 0), spec.dtype)
            return tf.ensure_shape(zeros, [z.shape[0], *spec.shape[1:]])

        phase = tf.ensure_shape(tf.zeros(count, tf.int32), z.shape[:1])
        return Carried(phase, tf.nest.map_structure(empty, self.kept))

    def predict(
        self, z: tf.Tensor, level: NoiseLevel, carry: Carried
    ) -> tuple[Prediction, Carried]:
        due, phase = self.key_steps(
            tf.broadcast_to(level.t, tf.shape(z)[:1]), carry.phase
        )
        inputs = self.denoise.inputs(z, level)

        def full() -> tuple:
            return _like(z, carry, self.run_full(*inputs))

        def cheap() -> tuple:
            found = self.run_cheap(*inputs, carry.features)
            return _like(z, carry, (*found, carry.features))

        def both() -> tuple:
            """Where pictures of a batch differ, each gets what it would get alone."""
            return tf.nest.map_structure(
                lambda new, old: tf.where(_like_rows(due, new), new, old),
                full(),
                cheap(),
            )

        if self.key_steps.always:
            output, variance, features = full()
        else:
            some, all_due = tf.reduce_any(due), tf.reduce_all(due)
            way = tf.where(all_due, 0, tf.where(some, 2, 1))
            ways = [full, cheap, both]
            output, variance, features = tf.switch_case(way, ways)
        prediction = self.denoise.prediction_of(z, level, output, variance)
        return prediction, Carried(phase, features)


def _of_inputs(body: Callable, num_classes: int) -> Callable:
    """A body of z, t, labels and more as one of a network's inputs and more."""
    if num_classes:
        return body
    return lambda z, t, *features: body(z, t, None, *features)


def _like(z: tf.Tensor, carry: Carried, found: tuple) -> tuple:
    """What was found, with the shapes that are known from what was given.

    Shapes are written, not checked: an operation for that would stand in the way of
    rewriting the sampler's arithmetic, whose last bits would then differ.
    """
    wanted = (z, z, carry.features)
    for new, old in zip(tf.nest.flatten(found), tf.nest.flatten(wanted), strict=True):
        new.set_shape(old.shape)
    return found


def _like_rows(due: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """bool [B], shaped to be compared with [B, ...]."""
    return tf.reshape(due, [-1] + [1] * (x.shape.rank - 1))
