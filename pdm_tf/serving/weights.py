"""How an export holds the weights of a model."""

from math import prod

from pdm_tf.denoisers.denoiser import Denoiser

# Bytes of weights up to which they are constants of the graph, with which processors
# compute fastest; making such a graph takes some forty times this memory.
CONSTANT = 64 * 2**20


def with_constants_where_small(denoiser: Denoiser) -> Denoiser:
    """The same denoiser, its weights constants where they are few."""
    held = denoiser.variables.values()
    few = sum(prod(v.shape) * v.dtype.size for v in held) <= CONSTANT
    if few:
        return denoiser.with_constant_weights()
    # Graphs of networks are most of what loading an export takes beside its weights.
    return denoiser.map_innermost(lambda inner: inner.with_one_trace())
