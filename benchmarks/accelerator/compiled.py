"""A graph that was written as StableHLO, compiled by the XLA that comes with JAX."""

import lzma
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
from jax._src.interpreters import mlir
from jax._src.lib import xla_client
from jaxlib.mlir import ir

_COPY = re.compile(r"mhlo\.copy (%[\w#]+)(?: \{[^}]*\})? : (tensor<[^>]*>)")

jax.config.update("jax_enable_x64", True)  # counters and seeds have 64 bits


class Program:
    """Runs a graph on the first device; what it changes stays changed.

    Args:
      path: file of the graph.
      arguments: arrays, in its order.
      changed: argument and output of each value that it changes.
    """

    def __init__(
        self, path: str, arguments: Sequence[Any], changed: Sequence[tuple[int, int]]
    ) -> None:
        self.arguments = [jax.device_put(value) for value in arguments]
        self.changed, self._program = changed, _compiled(path)

    def __call__(self) -> list[Any]:
        """Runs it once: its outputs, which may not be finished yet."""
        out = self._program.execute_sharded(self.arguments)
        parts = [part[0] for part in out.disassemble_into_single_device_arrays()]
        for index, output in self.changed:
            self.arguments[index] = parts[output]
        return parts


def portable(text: str) -> str:
    """A graph without what is no StableHLO: TensorFlow marks outputs by copies."""
    return _COPY.sub(r"stablehlo.reshape \1 : (\2) -> \2", text)


def _compiled(path: str) -> Any:
    text = portable(lzma.decompress(Path(path).read_bytes()).decode())
    devices = tuple(jax.devices()[:1])
    with mlir.make_ir_context():
        return devices[0].client.compile_and_load(
            ir.Module.parse(text),
            xla_client.DeviceList(devices),
            xla_client.CompileOptions(),
        )
