"""Pictures by HTTP are those of the export, from a stub of TensorFlow Serving."""

import json

import numpy as np
import pytest
import tensorflow as tf
from rest_stub import Refused, predict, serving
from toys import GaussianToy, MixtureToy

from pdm_tf.assemble.generators import open_generator
from pdm_tf.commands import sample as command
from pdm_tf.config import SamplingConfig
from pdm_tf.errors import InputError
from pdm_tf.export import export_saved_model
from pdm_tf.export.saved_model import build_module
from pdm_tf.samplers import open_samplers
from pdm_tf.serving import DenoiserGenerator, HttpGenerator, SavedModelGenerator

SEEDS, LABELS = np.array([3, 4, 5], np.int32), np.array([0, 1, 2], np.int32)
STATIC = SamplingConfig(thresholding="static", variance="small", sample_guidance=2.0)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    path = tmp_path_factory.mktemp("served") / "1"
    export_saved_model(
        MixtureToy(), path, "", STATIC, ["ddpm", "dpm_solver_sde"], served=True
    )
    return path


@pytest.fixture(scope="module")
def signatures(directory):
    return tf.saved_model.load(str(directory)).signatures


@pytest.fixture(scope="module")
def local(directory):
    return SavedModelGenerator("model", str(directory))


@pytest.fixture(scope="module")
def served(signatures):
    with serving(signatures) as (address, seen):
        yield address, seen


def test_what_is_served_says_what_it_is(served, local):
    by_http = HttpGenerator("model", served[0])
    for name in ("image_shape", "num_classes", "samplers", "guidance", "timesteps"):
        assert getattr(by_http, name) == getattr(local, name)
    assert by_http.description["digest"] and by_http.guidance == 2.0
    counted = [g.evaluations("ddpm", 7) for g in (by_http, local)]
    assert counted == [7, 7]


@pytest.mark.parametrize(("sampler", "steps"), [("ddpm", "3,2"), ("dpm_solver_sde", 4)])
def test_pictures_are_those_of_the_export_to_the_bit(sampler, steps, served, local):
    request = SEEDS, LABELS, steps, 1.3, sampler
    by_http = HttpGenerator("model", served[0] + "/").generate(*request)
    np.testing.assert_array_equal(by_http, local.generate(*request))
    assert by_http.std() > 1


def test_rows_and_columns_of_json_are_served_alike(signatures):
    columns = {"seeds": [3, 4], "labels": [0, 1], "steps": [4, 2], "guidance": [1, 2.5]}
    rows = [
        dict(zip(columns, row, strict=True))
        for row in zip(*columns.values(), strict=True)
    ]
    for name in ("sample_rows", "sample_png"):
        asked = {"signature_name": name}
        by_columns = predict(signatures, asked | {"inputs": columns})["outputs"]
        by_rows = predict(signatures, asked | {"instances": rows})["predictions"]
        assert by_columns == by_rows and len(by_rows) == 2
    with pytest.raises(Refused, match="should be a scalar"):
        predict(signatures, {"signature_name": "sample", "instances": rows})


@pytest.mark.parametrize(
    ("channels", "name"),
    [(3, "sample_png"), pytest.param(2, "sample_rows", marks=pytest.mark.slow)],
)
def test_colours_and_other_channels_come_back_too(channels, name):
    toy = GaussianToy(image_shape=(4, 6, channels))
    samplers = open_samplers(["ddim"], "small")
    _, signatures = build_module(toy, "", STATIC, samplers, served=True)
    request = SEEDS, LABELS % 2, 3, 1.0, "ddim"
    with serving(signatures) as (address, seen):
        made = HttpGenerator("model", address).generate(*request)
        assert seen[-1]["signature_name"] == name
    wanted = DenoiserGenerator(toy, STATIC).generate(*request)
    np.testing.assert_array_equal(made, wanted)


def test_sampling_from_a_server_leaves_the_files_of_sampling(served, tmp_path):
    flags = f"--model={served[0]} --out_dir={tmp_path}/got --steps=3 --num_images=5"
    command.main(["sample", *flags.split(), "--batch_size=2"])
    with np.load(tmp_path / "got" / "samples.npz") as arrays:
        assert arrays["arr_0"].shape == (5, *MixtureToy().image_shape)
    manifest = json.loads((tmp_path / "got" / "manifest.json").read_text())
    assert manifest["path"] == served[0] and manifest["guidance"] == 2.0


def test_refusals_are_one_line_that_says_what_the_server_said(served):
    generator = HttpGenerator("model", served[0])
    with pytest.raises(InputError, match=r"400: .*labels must be from 0 to 2") as error:
        generator.generate(SEEDS, LABELS + 7, 3, 1.0, "ddpm")
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="holds ddpm, dpm_solver_sde"):
        generator.generate(SEEDS, LABELS, 3, 1.0, "heun")
    with pytest.raises(InputError, match="404"):
        open_generator("model", served[0] + "x")


def test_nobody_at_home_is_said():
    with pytest.raises(InputError, match=r"no answer.*is TensorFlow Serving running"):
        HttpGenerator("model", "http://127.0.0.1:9/v1/models/pdm", timeout=5)
    with pytest.raises(InputError, match="no answer"):
        HttpGenerator("model", "http://")


@pytest.mark.parametrize(
    "text", ["", "{}", '{"image_shape": [1, 2]}', None, ["a", "b"], 7]
)
def test_what_is_no_export_is_refused(text):
    def answer(*_):
        return {"outputs": [text] if isinstance(text, str) else text}

    with (
        serving({}, answer=answer) as (address, _),
        pytest.raises(InputError, match="serves no export of pdm_tf"),
    ):
        HttpGenerator("model", address)


@pytest.mark.parametrize(
    "wrong",
    [[], [{"b64": "!"}], [{"b64": "AAAA"}] * 3, [7], None, [[300]], "text", [{}] * 3],
)
def test_answers_that_are_no_pictures_are_refused(wrong, signatures):
    def answer(signatures, body):
        if body["signature_name"] == "config_rows":
            return predict(signatures, body)
        return {"outputs": wrong}

    with serving(signatures, answer=answer) as (address, _):
        generator = HttpGenerator("model", address)
        with pytest.raises(InputError, match="answers"):
            generator.generate(SEEDS, LABELS, 3, 1.0, "ddpm")
