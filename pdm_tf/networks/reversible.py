"""Blocks undone on the way back, so that memory does not grow with their number.

Invertible Diffusion Models (arXiv 2403.17006): a pair of tensors goes through couplings

    y1 = (1 - v) F(x1) + v x2,    y2 = x1

each of which its own output determines: x1 = y2, x2 = (y1 - (1 - v) F(x1)) / v. For
gradients the last pair alone is kept. Errors of rounding grow by about (1 + |F'|) / v
in each, so v should be 0.5 or more, and a dozen couplings are many.
"""

from collections.abc import Callable, Sequence

import tensorflow as tf

Block = Callable[..., tf.Tensor]  # (x, *given) -> F(x), of the shape of x
Pair = tuple[tf.Tensor, tf.Tensor]


def couple(block: Block, v: tf.Tensor, pair: Pair, *given: tf.Tensor) -> Pair:
    """(y1, y2) of (x1, x2)."""
    x1, x2 = pair
    return (1.0 - v) * block(x1, *given) + v * x2, x1


def uncouple(block: Block, v: tf.Tensor, pair: Pair, *given: tf.Tensor) -> Pair:
    """(x1, x2) of (y1, y2)."""
    y1, y2 = pair
    return y2, (y1 - (1.0 - v) * block(y2, *given)) / v


def couple_all(
    blocks: Sequence[Block], shares: tf.Tensor, pair: Pair, *given: tf.Tensor
) -> Pair:
    """The couplings in turn, whose insides are kept for gradients."""
    for i, block in enumerate(blocks):
        pair = couple(block, shares[i], pair, *given)
    return pair


def couple_reversibly(
    blocks: Sequence[Block], shares: tf.Tensor, pair: Pair, *given: tf.Tensor
) -> Pair:
    """`couple_all` that keeps its last pair alone: gradients undo the couplings.

    Args:
      blocks: functions F, which may read variables; they see the same each time.
      shares: v of each, [len(blocks)], best between 0.5 and 1.
      pair: x1, x2, of one shape.
      *given: what all blocks are given beside x.

    Returns:
      The last pair. Gradients reach the pair, shares, what is given, and variables.
    """
    if not blocks:
        return pair

    @tf.custom_gradient
    def run(
        x1: tf.Tensor, x2: tf.Tensor, shares: tf.Tensor, *given: tf.Tensor
    ) -> tuple[Pair, Callable]:
        ends = couple_all(blocks, shares, (x1, x2), *given)

        def grad(
            dy1: tf.Tensor, dy2: tf.Tensor, variables: Sequence[tf.Variable] = ()
        ) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
            backward = _Backward(shares, given, list(variables))
            pair, slopes = ends, (dy1, dy2)
            for i, block in reversed(list(enumerate(blocks))):
                pair, slopes = backward.undone(i, block, pair, slopes)
            inputs = [*slopes, tf.stack(backward.of_shares[::-1]), *backward.of_given]
            return inputs, backward.of_variables

        return ends, grad

    return run(*pair, shares, *given)


class _Backward:
    """Gradients as they add up while couplings are undone, the last one first."""

    def __init__(
        self,
        shares: tf.Tensor,
        given: Sequence[tf.Tensor],
        variables: list[tf.Variable],
    ) -> None:
        self.shares, self.given, self.variables = shares, given, variables
        self.of_shares: list[tf.Tensor] = []
        self.of_given = [tf.zeros_like(x) for x in given]
        self.of_variables = [tf.zeros(v.shape, v.dtype) for v in variables]

    def undone(
        self, i: int, block: Block, pair: Pair, slopes: Pair
    ) -> tuple[Pair, Pair]:
        """The pair before the i-th coupling, and the slopes there."""
        (y1, y2), (dy1, dy2), v = pair, slopes, self.shares[i]
        # Nothing is computed before all slopes of the coupling after it are there: all
        # would be undone at once otherwise, and their insides held together.
        done = [dy1, dy2, *self.of_given, *self.of_variables]
        with tf.control_dependencies(done):
            x1 = tf.identity(y2)
            given = [tf.identity(x) for x in self.given]
        with tf.GradientTape() as tape:
            tape.watch([x1, given])
            f = block(x1, *given)
        x2 = (y1 - (1.0 - v) * f) / v
        found = tape.gradient(
            f,
            [x1, *given, *self.variables],
            output_gradients=(1.0 - v) * dy1,
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        dx1, others = found[0], [tf.convert_to_tensor(g) for g in found[1:]]
        count = len(given)
        self.of_given = _sums(self.of_given, others[:count])
        self.of_variables = _sums(self.of_variables, others[count:])
        self.of_shares.append(tf.reduce_sum(dy1 * (x2 - f)))
        return (x1, x2), (dy2 + dx1, v * dy1)


def _sums(totals: list[tf.Tensor], more: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    return [total + part for total, part in zip(totals, more, strict=True)]
