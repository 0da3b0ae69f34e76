"""Circuits by chance, for those who need one and not a good one."""

import itertools

import numpy as np

from pdm_tf.inverse.circuits.circuit import log_likelihood
from pdm_tf.inverse.circuits.codes import Codebook
from pdm_tf.inverse.circuits.files import LearntCircuit, write_circuit
from pdm_tf.inverse.circuits.learning import draw_circuit
from pdm_tf.inverse.manifests import CIRCUIT_FILE


def circuit_of(variables, codes, states, seed=0):
    """A circuit in float64 whose variables depend on each other."""
    rng = np.random.default_rng(seed)
    shown = rng.integers(0, codes, (200, variables))
    shown[:, 1:] = np.where(rng.random((200, variables - 1)) < 0.6, shown[:, :-1], 0)
    return draw_circuit(shown, codes, states, 0.1, seed)


def write_drawn(directory, shape, patch, codes=5):
    """Writes a circuit of pictures of a shape; returns it, float32, and its place."""
    rng = np.random.default_rng(0)
    grid = (shape[0] // patch) * (shape[1] // patch)
    centres = rng.uniform(-1, 1, (codes, patch * patch * shape[2])).astype("f4")
    book = Codebook(patch, centres, np.full_like(centres, 0.01))
    made = LearntCircuit(book, circuit_of(grid, codes, 3), shape)
    write_circuit(directory / CIRCUIT_FILE, made, [-1.0])
    single = made.circuit.as_type(np.float32)
    return LearntCircuit(book, single, shape), str(directory)


def every_picture(circuit):
    """All pictures as codes [M, n], and how probable each is [M]."""
    codes = range(circuit.emissions.shape[2])
    found = np.array(list(itertools.product(codes, repeat=circuit.variables)))
    return found, np.exp(log_likelihood(circuit, found).numpy())
