"""How an export holds the weights of a model."""

from math import prod

import tensorflow as tf

from pdm_tf.denoisers.denoiser import Denoiser

# Bytes of weights up to which they are constants of the graph, with which processors
# compute fastest; making such a graph takes some forty times this memory.
CONSTANT = 64 * 2**20


def variables_of(denoiser: Denoiser) -> dict[str, tf.Variable]:
    """The variables of its networks, by name."""
    return {
        f"{part}.{v.path.replace('/', '.')}": v.value
        for part, network in denoiser.parts.items()
        for v in network.variables
    }


def with_constants_where_small(denoiser: Denoiser) -> Denoiser:
    """The same denoiser, its weights constants where they are few."""
    held = variables_of(denoiser).values()
    few = sum(prod(v.shape) * v.dtype.size for v in held) <= CONSTANT
    return denoiser.with_constant_weights() if few else denoiser
