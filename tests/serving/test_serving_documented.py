"""Every request of docs/serving.md is answered, and its containers find their files."""

import json
import re
import shlex
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from rest_stub import predict, serving
from toys import GaussianToy

from pdm_tf.config import SamplingConfig
from pdm_tf.export.saved_model import build_module
from pdm_tf.samplers import open_samplers

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "serving.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
SHELL = "\n".join(re.findall(r"^```bash\n(.*?)^```", PAGE, re.M | re.S))
CURLS = re.findall(r"^curl (\S+) -d '(.*?)'$", SHELL, re.M | re.S)
REST, GRPC = "http://localhost:8501/v1/models/pdm", "localhost:8500"


class OfTenClasses(GaussianToy):
    """As the digits of the page, whatever the class."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.num_classes = 10

    def shifted(self, z):
        return tf.zeros([], z.dtype)


@pytest.fixture(scope="module")
def signatures():
    samplers = open_samplers(["ddpm", "dpm_solver_sde"], "small")
    return build_module(OfTenClasses(), "", SamplingConfig(), samplers, served=True)[1]


def test_every_curl_is_answered(signatures):
    assert len(CURLS) == 3
    for address, body in CURLS:
        assert address == f"{REST}:predict"
        made = predict(signatures, json.loads(body))
        (answers,) = made.values()
        assert len(answers) == 2 or "config_rows" in body


def test_every_block_by_http_runs(signatures, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = [block for block in BLOCKS if REST in block]
    assert len(blocks) == 2
    with serving(signatures) as (address, _):
        for block in blocks:
            exec(compile(block.replace(REST, address), "serving.md", "exec"), {})
    assert len(list(tmp_path.glob("three_*.png"))) == 4


def test_the_block_by_grpc_runs(signatures):
    grpc = pytest.importorskip("grpc")
    package = pytest.importorskip("tensorflow_serving.apis")
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(self, request, context):
            inputs = {n: tf.make_ndarray(v) for n, v in request.inputs.items()}
            function = signatures[request.model_spec.signature_name]
            answer = predict_pb2.PredictResponse()
            for name, value in function(**inputs).items():
                answer.outputs[name].CopyFrom(tf.make_tensor_proto(value))
            return answer

    assert package
    server = grpc.server(ThreadPoolExecutor(1))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        Service(), server
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        (block,) = [block for block in BLOCKS if GRPC in block]
        names: dict = {}
        exec(block.replace(GRPC, f"127.0.0.1:{port}"), names)
    finally:
        server.stop(None)
    assert [bytes(f)[:4] for f in np.asarray(names["files"])] == [b"\x89PNG"] * 4


def test_commands_in_containers_are_commands():
    lines = [
        line for line in SHELL.splitlines() if line.startswith("docker compose run")
    ]
    assert len(lines) == 2
    for line in lines:
        service, *words = shlex.split(line)[3:]
        assert service == "train" and words[0] in ("sample", "export")
        assert all(word.startswith("--") for word in words[1:])


def test_containers_find_their_files():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    kept = {line[1:] for line in ignored if line.startswith("!")}
    for name in ("train", "serve"):
        text = (ROOT / "docker" / f"{name}.Dockerfile").read_text()
        for line in re.findall(r"^COPY (.*)$", text, re.M):
            for source in line.split()[:-1]:
                assert (ROOT / source).exists() and source.split("/")[0] in kept
        compose = (ROOT / "compose.yaml").read_text()
        assert f"dockerfile: docker/{name}.Dockerfile" in compose
    assert "127.0.0.1:8501:8501" in compose
