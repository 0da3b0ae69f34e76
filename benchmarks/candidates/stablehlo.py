"""Our graph, compiled by the XLA that comes with JAX, on whatever device JAX has."""

import gzip
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax._src.interpreters import mlir
from jax._src.lib import xla_client
from jaxlib.mlir import ir
from serving import serve

jax.config.update("jax_enable_x64", True)  # counters and seeds have 64 bits


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


def compiled(path: str) -> Any:
    """The graph of a file, for the first device."""
    text = gzip.decompress(Path(path).read_bytes()).decode()
    devices = tuple(jax.devices()[:1])
    with mlir.make_ir_context():
        return devices[0].client.compile_and_load(
            ir.Module.parse(text),
            xla_client.DeviceList(devices),
            xla_client.CompileOptions(),
        )


def make(order: dict):
    """The work of a case; what it changes, such as weights, stays changed."""
    rng = np.random.default_rng(0)
    arguments = [jax.device_put(filled(a, rng)) for a in order["arguments"]]
    program = compiled(order["graph"])

    def work():
        out = program.execute_sharded(arguments)
        parts = [part[0] for part in out.disassemble_into_single_device_arrays()]
        for index, output in order["changed"]:
            arguments[index] = parts[output]
        return jax.block_until_ready(parts)

    return work


def peak() -> float:
    """MiB of the device at most; 0 where it does not count."""
    said = jax.devices()[0].memory_stats() or {}
    return said.get("peak_bytes_in_use", 0) / 2**20


if __name__ == "__main__":
    serve(make, peak)
