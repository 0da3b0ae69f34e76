"""What a training minimises. The train loop sees this protocol and nothing else."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import tensorflow as tf


class Loss(NamedTuple):
    """The loss of each picture."""

    total: tf.Tensor  # float32 [B]; its mean over a batch is minimised
    terms: dict[str, tf.Tensor]  # float32 [B] each: what is recorded
    bucket: tf.Tensor  # int32 [B]: the range of noise levels, 0 has the least noise


class Objective(Protocol):
    """A loss, what it draws at random, and which variables learn from it.

    It is called in a graph, on every replica, with that replica's examples. It changes
    no variable itself.
    """

    @property
    def variables(self) -> Mapping[str, tf.Variable]:
        """What learns, by the names under which a checkpoint keeps it.

        These alone get slots of the optimiser and an average. Variables that are
        only read (of a teacher, of a base) are not among them.
        """

    @property
    def terms(self) -> Sequence[str]:
        """Names of the terms of the losses; the first stands for the whole."""

    @property
    def buckets(self) -> int:
        """Ranges of noise levels in which the first term is recorded."""

    def draw(self, seed: int, step: tf.Tensor, batch_size: int) -> Any:
        """Random numbers of a whole global batch, a function of (seed, step).

        Returns:
          A nest of tensors, each with one row an example.
        """

    def __call__(self, x: tf.Tensor, labels: tf.Tensor, draws: Any) -> Loss:
        """Losses of some examples.

        Args:
          x: pictures, float32 [B, H, W, C] in [-1, 1].
          labels: int32 [B].
          draws: their rows of what `draw` returned.
        """


@runtime_checkable
class ObservingObjective(Objective, Protocol):
    """An objective whose draws depend on the losses of former steps."""

    def seen(self, losses: Loss, draws: Any) -> tuple[tf.Tensor, ...]:
        """What a step adds to what it knows, to be summed over replicas; or nothing."""

    def note(self, *sums: tf.Tensor) -> None:
        """Takes in the sums of what all replicas have `seen`."""
