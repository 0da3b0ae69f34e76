"""TopKLD: distillation that weighs a teacher's likeliest tokens and its rest apart.

Tried on a toy of a token model, since no model of tokens is built here: a classifier of
two layers in 3-bit weights learns what it gave in float32. The paper (arXiv 2501.06218)
does not print its formula where it could be read; this one is ours, after its words.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from pdm_tf.quantization.spec import NumberFormat
from pdm_tf.quantization.uniform import fake_quantized_by, find_grid

TOKENS, WIDTH, INPUTS = 64, 48, 16
BITS, TOP = 3, 6  # of weights; tokens of the teacher's that count as its best
STEPS, BATCH, RATE = 300, 256, 2e-3
HELD_OUT = 4096
TINY = 1e-12  # inside logarithms
Loss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def top_kl(p: tf.Tensor, q: tf.Tensor, k: int, beta: float = 2.0) -> tf.Tensor:
    """Sum over S of p·log(p/q) + (1-P)·log((1-P)/(1-Q)) + beta·(1-P)·KL(rests).

    S are the k likeliest of p, P and Q what p and q have there, and the rests of both
    are made to sum to 1. At beta = 1, or k = V, it is KL(p ‖ q).

    Args:
      p: of the teacher, [B, V].
      q: of the student, [B, V].
      k: tokens in S, 1 to V.
      beta: weight of the rest.

    Returns:
      [B], at least 0 and 0 where p = q.
    """
    least = tf.sort(p, direction="DESCENDING")[:, k - 1 : k]
    ahead, level = p > least, p == least
    room = k - tf.reduce_sum(tf.cast(ahead, tf.int32), 1, keepdims=True)
    first = tf.cumsum(tf.cast(level, tf.int32), axis=1) <= room  # of equal ones
    inside = tf.cast(ahead | (level & first), p.dtype)
    ratio = p * (tf.math.log(p + TINY) - tf.math.log(q + TINY))
    top = tf.reduce_sum(inside * ratio, 1)
    rest = tf.reduce_sum((1.0 - inside) * ratio, 1)
    mass_p, mass_q = (tf.reduce_sum((1.0 - inside) * v, 1) for v in (p, q))
    masses = mass_p * (tf.math.log(mass_p + TINY) - tf.math.log(mass_q + TINY))
    # (1-P)·KL of the normalised rests is the rest's own sum less that of the masses.
    return top + masses + beta * (rest - masses)


def forward_kl(p: tf.Tensor, q: tf.Tensor) -> tf.Tensor:
    """KL(p ‖ q), [B]."""
    return tf.reduce_sum(p * (tf.math.log(p + TINY) - tf.math.log(q + TINY)), 1)


def reverse_kl(p: tf.Tensor, q: tf.Tensor) -> tf.Tensor:
    """KL(q ‖ p), [B]."""
    return forward_kl(q, p)


LOSSES: dict[str, Loss] = {
    "forward KL": forward_kl,
    "reverse KL": reverse_kl,
    "TopKLD, beta 2": partial(top_kl, k=TOP, beta=2.0),
    "TopKLD, beta 0.5": partial(top_kl, k=TOP, beta=0.5),
}


class Layer(NamedTuple):
    """A projection, and the grid that its weights lie on in few bits."""

    kernel: tf.Variable
    scale: np.ndarray
    zero: np.ndarray

    @classmethod
    def of(cls, kernel: np.ndarray) -> "Layer":
        """The layer of a kernel [in, out]."""
        scale, zero = find_grid(kernel, NumberFormat(BITS), "mse")
        return cls(tf.Variable(kernel), scale, zero.astype(np.float32))

    def weights(self, rounded: bool) -> tf.Tensor:
        """The kernel, in few bits or as it is."""
        if not rounded:
            return tf.convert_to_tensor(self.kernel)
        return fake_quantized_by(
            self.kernel, tf.constant(self.scale), tf.constant(self.zero), BITS
        )


def probabilities(layers: list[Layer], x: tf.Tensor, rounded: bool) -> tf.Tensor:
    """What the classifier gives for x [B, INPUTS], [B, TOKENS]."""
    h = tf.nn.silu(x @ layers[0].weights(rounded))
    return tf.nn.softmax(h @ layers[1].weights(rounded))


def compare(seed: int, steps: int = STEPS) -> dict[str, dict[str, float]]:
    """What each loss leaves of the teacher, for one teacher drawn at random.

    Returns:
      For "rounded alone" and each loss: KL(p ‖ q) on held-out inputs, and the share of
      them whose likeliest token is the teacher's.
    """
    rng = np.random.default_rng(seed)
    kernels = (
        rng.normal(size=(INPUTS, WIDTH)) / np.sqrt(INPUTS),
        rng.normal(size=(WIDTH, TOKENS)) * 4.0 / np.sqrt(WIDTH),
    )
    drawn = [kernel.astype(np.float32) for kernel in kernels]
    held = tf.constant(rng.normal(size=(HELD_OUT, INPUTS)), tf.float32)
    wanted = probabilities([Layer.of(k) for k in drawn], held, rounded=False)
    found = {"rounded alone": _judged([Layer.of(k) for k in drawn], held, wanted)}
    for name, loss in LOSSES.items():
        layers = [Layer.of(kernel) for kernel in drawn]
        _train(layers, [Layer.of(k) for k in drawn], loss, seed, steps)
        found[name] = _judged(layers, held, wanted)
    return found


def _judged(
    layers: list[Layer], held: tf.Tensor, wanted: tf.Tensor
) -> dict[str, float]:
    given = probabilities(layers, held, rounded=True)
    same = tf.argmax(given, 1) == tf.argmax(wanted, 1)
    return {
        "kl": float(tf.reduce_mean(forward_kl(wanted, given))),
        "same": float(tf.reduce_mean(tf.cast(same, tf.float32))),
    }


def _train(
    layers: list[Layer], teacher: list[Layer], loss: Loss, seed: int, steps: int
) -> None:
    kernels = [layer.kernel for layer in layers]
    m, v = ([tf.Variable(tf.zeros_like(k)) for k in kernels] for _ in range(2))

    @tf.function(autograph=False)
    def step(x: tf.Tensor, rate: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            wanted = probabilities(teacher, x, rounded=False)
            given = probabilities(layers, x, rounded=True)
            total = tf.reduce_mean(loss(wanted, given))
        gradients = tape.gradient(total, kernels)
        for kernel, first, second, g in zip(kernels, m, v, gradients, strict=True):
            first.assign(0.9 * first + 0.1 * g)
            second.assign(0.99 * second + 0.01 * tf.square(g))
            kernel.assign_sub(rate * first / (tf.sqrt(second) + 1e-8))

    rng = np.random.default_rng(seed + 1)
    for i in range(steps):
        x = tf.constant(rng.normal(size=(BATCH, INPUTS)), tf.float32)
        step(x, tf.constant(RATE * (1.0 - i / steps)))
