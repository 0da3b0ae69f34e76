"""Learns a hidden Chow-Liu tree: the tree from pairs of codes, the rest by EM."""

import numpy as np
import tensorflow as tf
from scipy.sparse.csgraph import (
    breadth_first_order,
    minimum_spanning_tree,
    shortest_path,
)

from pdm_tf.inverse.circuits.circuit import Circuit, Passed, fit_of, inside, send

_KIND = tf.float64
_BATCH = 500  # pictures whose messages are in memory at once


def mutual_information(codes: np.ndarray, count: int) -> np.ndarray:
    """Of every pair of variables, in nats: float64 [n, n].

    Args:
      codes: int [N, n], below `count`.
      count: K.

    A plug-in estimate is too large by about (cells - rows - columns + 1) / 2N where so
    many are not empty (Miller & Madow), which is more than what distant patches share;
    so much is taken away.
    """
    total, n = codes.shape
    entropy, used = np.zeros(n), np.zeros(n)
    for i in range(n):
        entropy[i], used[i] = _entropy(codes[:, i])
    found = np.zeros((n, n))
    for i in range(n):
        for j in range(i):
            both, cells = _entropy(codes[:, i].astype(np.int64) * count + codes[:, j])
            bias = (cells - used[i] - used[j] + 1) / (2 * total)
            found[i, j] = found[j, i] = entropy[i] + entropy[j] - both - bias
    return found


def _entropy(symbols: np.ndarray) -> tuple[float, int]:
    """In nats, and how many symbols occur."""
    counts = np.bincount(symbols)
    counts = counts[counts > 0]
    p = counts / counts.sum()
    return float(-(p * np.log(p)).sum()), len(counts)


def chow_liu(information: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The tree of most mutual information, from its middle (Chow & Liu, 1968).

    Args:
      information: [n, n].

    Returns:
      places and parents of `Circuit`, int32 [n].
    """
    costs = information.max() - information + 1.0  # an edge of cost 0 would be none
    tree = minimum_spanning_tree(np.triu(costs, 1))
    far = shortest_path(tree, directed=False, unweighted=True).max(1)
    places, before = breadth_first_order(tree, int(far.argmin()), directed=False)
    rank = np.empty(len(places), np.int32)
    rank[places] = np.arange(len(places))
    parents = np.concatenate([[-1], rank[before[places[1:]]]])
    return places.astype(np.int32), parents.astype(np.int32)


def draw_circuit(
    codes: np.ndarray, count: int, states: int, smoothing: float, seed: int = 0
) -> Circuit:
    """The tree, and parameters to begin with, drawn around what the codes' counts are.

    Args:
      codes: int [N, n].
      count: K.
      states: S.
      smoothing: Laplace's, added to each count.
      seed: of the draw.
    """
    rng, n = np.random.default_rng(seed), codes.shape[1]
    places, parents = chow_liu(mutual_information(codes, count))
    counts = np.stack([np.bincount(codes[:, i], minlength=count) for i in places])
    emissions = (counts[:, None] + smoothing) * rng.exponential(size=(n, states, count))
    transitions = rng.exponential(size=(n - 1, states, states))
    made = Circuit(places, parents, np.ones(states), transitions, emissions)
    return _normalised(made)


def _normalised(counts: Circuit) -> Circuit:
    tables = (counts.prior, counts.transitions, counts.emissions)
    rows = (table / table.sum(-1, keepdims=True) for table in tables)
    return Circuit(counts.places, counts.parents, *rows)


def maximise(
    circuit: Circuit, codes: np.ndarray, smoothing: float
) -> tuple[Circuit, float]:
    """One step of EM.

    Args:
      circuit: float64.
      codes: int [N, n].
      smoothing: Laplace's, added to each expected count. With 0 the likelihood never
        falls; else the likelihood and `smoothing` times the logarithms of all
        parameters, together, never do.

    Returns:
      The next circuit, and the mean log likelihood [nats] of the one that was given.
    """
    tables = (circuit.prior, circuit.transitions, circuit.emissions)
    sums = [np.full_like(table, smoothing) for table in tables]
    found = 0.0
    for first in range(0, len(codes), _BATCH):
        *counts, likelihood = _expected(circuit, codes[first : first + _BATCH])
        for total, more in zip(sums, counts, strict=True):
            total += more.numpy()
        found += float(tf.reduce_sum(likelihood))
    made = Circuit(circuit.places, circuit.parents, *sums)
    return _normalised(made), found / len(codes)


def _expected(circuit: Circuit, codes: np.ndarray) -> tuple[tf.Tensor, ...]:
    """Counts of the root's states, of transitions, of codes; log likelihoods [B]."""
    passed = send(circuit, fit_of(circuit, codes))
    layers = zip(passed.own, passed.below, passed.above, strict=True)
    state = tf.nn.softmax(tf.concat([sum(layer) for layer in layers], 0))
    moves = []
    for depth, (first, last) in enumerate(circuit.layers):
        if depth:
            table = circuit.transitions[first - 1 : last - 1]
            moves.append(table * _moves(circuit, passed, depth))
    shown = tf.one_hot(codes.T[circuit.places], circuit.emissions.shape[2], dtype=_KIND)
    seen = tf.matmul(state, shown, transpose_a=True)
    return tf.reduce_sum(state[0], 0), tf.concat(moves, 0), seen, passed.likelihood


def _moves(circuit: Circuit, passed: Passed, depth: int) -> tf.Tensor:
    """Expected moves from state to state, but for the transitions: [n_l, S, S]."""
    before = inside(circuit, passed, depth)
    after = passed.own[depth] + passed.below[depth]
    largest = tf.reduce_max(after, -1, keepdims=True)
    # Of a picture all moves to a node have the sum 1: that is what they are divided by.
    whole = tf.reduce_logsumexp(
        before + passed.sent[depth] - largest, -1, keepdims=True
    )
    return tf.matmul(tf.exp(before - whole), tf.exp(after - largest), transpose_a=True)
