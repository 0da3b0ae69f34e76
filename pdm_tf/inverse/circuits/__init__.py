"""Tractable circuits: laws of pictures whose conditional laws are exact, and quick.

A picture is a grid of patches, each one of K codes. The circuit is a hidden Chow-Liu
tree (Liu & Van den Broeck, arXiv 2106.02264) over the codes: each patch has a hidden
state, hidden states depend on each other along a tree, and a code on its own hidden
state alone. One pass up and one down the tree give every marginal under any evidence.
"""

from pdm_tf.inverse.circuits.circuit import Circuit, marginals
from pdm_tf.inverse.circuits.codes import Codebook

__all__ = ["Circuit", "Codebook", "marginals"]
