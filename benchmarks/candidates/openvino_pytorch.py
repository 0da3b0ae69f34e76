"""The network of PyTorch as ONNX, run by OpenVINO in float32.

PyTorch writes it in the peers' environment, which PEERS_PYTHON names; OpenVINO is this
project's.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from serving import serve

HERE = Path(__file__).resolve().parent


def make(order: dict):
    """The work of a case: one evaluation."""
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "network.onnx"
        subprocess.run(
            [os.environ["PEERS_PYTHON"], __file__, str(file)],
            input=json.dumps(order),
            text=True,
            check=True,
            stdout=sys.stderr,
            env={**os.environ, "PYTHONPATH": f"{HERE}{os.pathsep}{HERE.parent}"},
        )
        settings = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
        model = openvino.Core().compile_model(str(file), "CPU", settings)
    request, rng = model.create_infer_request(), np.random.default_rng(0)
    height, width, colours = order["network"]["image_shape"]
    batch = order["batch"]
    z = rng.standard_normal((batch, colours, height, width), np.float32)
    classes = max(order["network"]["num_classes"], 1)
    given = [z, np.array([500]), np.arange(batch) % classes][: len(model.inputs)]
    return lambda: [value.copy() for value in request.infer(given).values()]


def write(file: str) -> None:
    """Writes the ONNX file of the case on standard input."""
    import pytorch
    import torch

    order = json.loads(sys.stdin.read())
    network = pytorch.build(order).eval()
    given = tuple(value for value in pytorch.inputs(order) if value is not None)
    torch.onnx.export(network, given, file, dynamo=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        write(sys.argv[1])
    else:
        serve(make)
