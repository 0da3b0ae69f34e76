"""Our graph, compiled by the XLA that comes with JAX, on whatever device JAX has."""

import jax
import numpy as np
from serving import serve

from benchmarks.accelerator.compiled import Program


def filled(argument: dict, rng: np.random.Generator) -> np.ndarray:
    """A value for an argument, as it was described."""
    shape, dtype, fill = (argument[name] for name in ("shape", "dtype", "fill"))
    if isinstance(fill, (int, float, list, bool)):
        return np.asarray(fill, dtype).reshape(shape)
    if fill == "zeros":
        return np.zeros(shape, dtype)
    if fill == "normal":  # as weights are
        return (rng.standard_normal(shape, np.float32) * 0.02).astype(dtype)
    if dtype == "float32" and len(shape) > 1:
        return rng.standard_normal(shape, np.float32)
    if dtype == "float32":
        return np.full(shape, 0.5, np.float32)  # a time
    return np.full(shape, 100, dtype) if dtype == "uint8" else np.zeros(shape, dtype)


def make(order: dict):
    """The work of a case; what it changes, such as weights, stays changed."""
    rng = np.random.default_rng(0)
    arguments = [filled(argument, rng) for argument in order["arguments"]]
    program = Program(order["graph"], arguments, order["changed"])
    return lambda: jax.block_until_ready(program())


def peak() -> float:
    """MiB of the device at most; 0 where it does not count."""
    said = jax.devices()[0].memory_stats() or {}
    return said.get("peak_bytes_in_use", 0) / 2**20


if __name__ == "__main__":
    serve(make, peak)
