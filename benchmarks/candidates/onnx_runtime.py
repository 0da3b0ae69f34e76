"""The same network as PyTorch exports it, run by ONNX Runtime."""

import tempfile
from pathlib import Path

import onnxruntime
import pytorch
import torch
from serving import serve


def make(order: dict):
    """The work of a case: one evaluation."""
    network, given = pytorch.build(order).eval(), pytorch.inputs(order)
    given = tuple(value for value in given if value is not None)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "network.onnx"
        torch.onnx.export(network, given, file, dynamo=True)
        session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    feed = {
        known.name: value.numpy()
        for known, value in zip(session.get_inputs(), given, strict=True)
    }
    return lambda: session.run(None, feed)


if __name__ == "__main__":
    serve(make)
