"""A hidden Chow-Liu tree, and what it says under soft evidence: one pass up, one down.

All nodes of one depth are computed at once. Messages are logarithms, shifted by their
largest before each product, so that float32 is enough for any number of nodes.
"""

from dataclasses import dataclass, fields
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import tensorflow as tf

_TINY = 1e-30  # added to probabilities of which logarithms are taken


@dataclass(frozen=True, eq=False)
class Circuit:
    """The parameters, nodes in an order in which depth never falls, the root first.

    Attributes:
      places: int [n], which variable each node stands for.
      parents: int [n], the parent of each node; -1 of the root.
      prior: [S], of the root's hidden state.
      transitions: [n - 1, S, S], of each other node's state, a row a parent's state.
      emissions: [n, S, K], of the code, a row a state.
    """

    places: np.ndarray
    parents: np.ndarray
    prior: np.ndarray
    transitions: np.ndarray
    emissions: np.ndarray

    @property
    def variables(self) -> int:
        """n."""
        return len(self.parents)

    @cached_property
    def layers(self) -> list[tuple[int, int]]:
        """First and last + 1 of the nodes at each depth."""
        depth = np.zeros(self.variables, int)
        for node in range(1, self.variables):
            depth[node] = depth[self.parents[node]] + 1
        ends = [0, *(np.flatnonzero(np.diff(depth)) + 1).tolist(), self.variables]
        return list(pairwise(ends))

    def as_type(self, dtype: type[np.floating]) -> "Circuit":
        """The same with floats of another type."""
        kept = [getattr(self, field.name) for field in fields(self)]
        return Circuit(*kept[:2], *(values.astype(dtype) for values in kept[2:]))


class Passed(NamedTuple):
    """What the two passes leave at the nodes of each depth, logarithms [n_l, B, S]."""

    own: list[tf.Tensor]  # of the evidence at a node itself
    below: list[tf.Tensor]  # of all evidence below it
    sent: list[tf.Tensor]  # what it tells its parent; of no use at the root
    above: list[tf.Tensor]  # of all other evidence, with the prior
    likelihood: tf.Tensor  # log p(evidence) [B]


def marginals(circuit: Circuit, evidence: tf.Tensor) -> tf.Tensor:
    """p(code of i | all evidence), that of i itself included.

    Args:
      circuit: whose law it is.
      evidence: q_i, how well each code of each variable fits, up to a factor: floats
        [B, n, K] of the circuit's type. One code alone is hard evidence, all codes
        alike are none.

    Returns:
      [B, n, K], sums of 1.
    """
    every = np.arange(circuit.variables)
    fit = fit_at(circuit, evidence, every)
    return marginals_at(circuit, evidence, every, tf.gather(fit, circuit.places))


def fit_at(circuit: Circuit, evidence: tf.Tensor, at: np.ndarray) -> tf.Tensor:
    """p(evidence | state) of some variables [m]: evidence [B, m, K] -> [m, B, S]."""
    q = tf.transpose(evidence, [1, 0, 2])
    table = circuit.emissions[np.argsort(circuit.places)[at]]
    return tf.matmul(q, table, transpose_b=True)


def marginals_at(
    circuit: Circuit, evidence: tf.Tensor, at: np.ndarray, fit: tf.Tensor
) -> tf.Tensor:
    """`marginals` of some variables.

    Args:
      circuit: whose law it is.
      evidence: that of these variables, [B, m, K].
      at: which they are, int [m].
      fit: p(evidence | state) of all nodes, [n, B, S].
    """
    nodes = np.argsort(circuit.places)[at]
    passed = send(circuit, fit)
    state = tf.concat(passed.above, 0) + tf.concat(passed.below, 0)
    law = tf.matmul(tf.nn.softmax(tf.gather(state, nodes)), circuit.emissions[nodes])
    found = evidence * tf.transpose(law, [1, 0, 2])
    return found / tf.reduce_sum(found, -1, keepdims=True)


def log_likelihood(circuit: Circuit, codes: np.ndarray) -> tf.Tensor:
    """log p of pictures as codes, int [B, n]: [B], in nats."""
    return send(circuit, fit_of(circuit, codes)).likelihood


def fit_of(circuit: Circuit, codes: np.ndarray) -> tf.Tensor:
    """p(code | state) of given codes int [B, n]: [n, B, S], by node."""
    by_state = circuit.emissions.transpose(0, 2, 1)
    return tf.gather(by_state, codes.T[circuit.places], batch_dims=1)


def send(circuit: Circuit, fit: tf.Tensor) -> Passed:
    """Messages up and down the tree.

    Args:
      circuit: of n nodes.
      fit: p(evidence | state) of each node, [n, B, S].
    """
    own = [tf.math.log(fit[a:b] + _TINY) for a, b in circuit.layers]
    below = [tf.zeros_like(one) for one in own]
    sent = [own[0]]
    for depth in range(len(own) - 1, 0, -1):
        message = _through(
            own[depth] + below[depth], _transitions(circuit, depth), True
        )
        sent.insert(1, message)
        first, last = circuit.layers[depth - 1]
        below[depth - 1] = tf.math.unsorted_segment_sum(
            message, _parents(circuit, depth), last - first
        )
    root = tf.math.log(circuit.prior + _TINY)
    reached = [tf.broadcast_to(root, tf.shape(own[0]))]
    for depth in range(1, len(own)):
        inner = inside(circuit, Passed(own, below, sent, reached, root), depth)
        reached.append(_through(inner, _transitions(circuit, depth), False))
    likelihood = tf.reduce_logsumexp((reached[0] + own[0] + below[0])[0], -1)
    return Passed(own, below, sent, reached, likelihood)


def inside(circuit: Circuit, passed: Passed, depth: int) -> tf.Tensor:
    """What the parents of the nodes at a depth know without them: [n_l, B, S]."""
    up = depth - 1
    whole = passed.above[up] + passed.own[up] + passed.below[up]
    return tf.gather(whole, _parents(circuit, depth)) - passed.sent[depth]


def _through(log: tf.Tensor, transitions: np.ndarray, upwards: bool) -> tf.Tensor:
    """A message [n_l, B, S] through transitions [n_l, S, S]."""
    largest = tf.reduce_max(log, -1, keepdims=True)
    moved = tf.matmul(tf.exp(log - largest), transitions, transpose_b=upwards)
    return tf.math.log(moved + _TINY) + largest


def _parents(circuit: Circuit, depth: int) -> np.ndarray:
    """Parents of the nodes at a depth, counted within theirs."""
    first, last = circuit.layers[depth]
    return circuit.parents[first:last] - circuit.layers[depth - 1][0]


def _transitions(circuit: Circuit, depth: int) -> np.ndarray:
    first, last = circuit.layers[depth]
    return circuit.transitions[first - 1 : last - 1]


def draw_codes(circuit: Circuit, count: int, rng: np.random.Generator) -> np.ndarray:
    """Pictures as codes, int [count, n], drawn from the circuit's law."""

    def draw(rows: np.ndarray) -> np.ndarray:
        shares = np.cumsum(rows, -1)
        return (rng.random((len(rows), 1)) * shares[:, -1:] > shares).sum(-1)

    states = np.zeros((circuit.variables, count), int)
    codes = np.zeros((count, circuit.variables), int)
    for node, parent in enumerate(circuit.parents):
        if node:
            law = circuit.transitions[node - 1][states[parent]]
        else:
            law = np.tile(circuit.prior, (count, 1))
        states[node] = draw(law)
        codes[:, circuit.places[node]] = draw(circuit.emissions[node][states[node]])
    return codes
