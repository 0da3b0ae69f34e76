"""A run of the patch transformer on the straight way is a run like every other."""

import json

import numpy as np
import pytest
import tensorflow as tf
from tiny_runs import JIT, make_run, sampled

from pdm_tf import assemble
from pdm_tf.assemble import generators
from pdm_tf.assemble.exporting import export_run
from pdm_tf.config import Config, ExportConfig, InputError, SamplingConfig
from pdm_tf.config.acceleration import DeepCacheConfig, TimeTableConfig
from pdm_tf.config.quantization import MinMaxConfig
from pdm_tf.config.sealing import known_by, sealed_settings
from pdm_tf.export import litert
from pdm_tf.export.calibration import examples_of, rows_for_export
from pdm_tf.serving import LitertNetwork, open_generator


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("jit") / "run", 0, scale=0.2, **JIT)


@pytest.fixture(scope="module")
def model(run):
    return assemble.open_model(run)


@pytest.fixture(scope="module")
def export(run):
    return export_run(run, run.parent / "export", ["linear_heun"])


def test_it_is_opened_as_it_was_saved(model):
    assert type(model.denoiser.network).__name__ == "JiT"
    assert model.denoiser.schedule.noise_scale == 1.0
    assert model.settings.transformer.hidden_size == 16
    assert np.isfinite(sampled(model.denoiser)).all()


def test_an_export_draws_what_python_draws(model, run, export):
    asked = np.arange(4), np.array([0, 1, 2, 3]), 4, 2.0, "linear_heun"
    made = open_generator("model", export).generate(*asked)
    np.testing.assert_array_equal(
        made, generators.open_generator("model", run).generate(*asked)
    )
    assert made.std() > 10


def test_requests_for_estimates_give_a_time_and_the_networks_own_z(model, export):
    served = tf.saved_model.load(str(export)).signatures["denoise"]
    rng = np.random.default_rng(0)
    z = tf.constant(rng.normal(size=(3, 8, 8, 1)), tf.float32)
    t, labels = tf.constant([0.0, 0.3, 0.95]), tf.constant([0, 2, 3])
    wanted, _ = model.denoiser.network(z, t, labels)
    found = served(z=z, t=t, labels=labels)
    np.testing.assert_allclose(found["x"], wanted, atol=1e-5)
    for wrong in (-0.1, 1.1):
        with pytest.raises(tf.errors.InvalidArgumentError, match="t must be from 0 to"):
            served(z=z, t=tf.constant([0.0, 0.5, wrong]), labels=labels)


@pytest.mark.slow
def test_another_runtime_is_asked_in_the_same_way(model, tmp_path):
    pytest.importorskip("ai_edge_litert")
    litert.convert(model.denoiser, tmp_path / "it.tflite")
    few = ExportConfig(calibration_images=1, calibration_steps=5)
    rows = rows_for_export(model.denoiser, SamplingConfig(thresholding="none"), few)
    (first, *_, last) = examples_of(rows, model.denoiser.schedule, 99)
    assert first["t"].dtype == np.float32 and first["t"] == 0 < last["t"]
    network = LitertNetwork(tmp_path / "it.tflite")
    for example in (first, last):
        wanted, _ = model.denoiser.network(*map(tf.constant, example.values()))
        np.testing.assert_allclose(network(**example)[0], wanted, atol=1e-4)


@pytest.mark.slow
def test_layers_are_quantised_as_those_of_every_network(run, tmp_path):
    out = tmp_path / "int8"
    assemble.derive("min_max", run, out, MinMaxConfig(), note=lambda line: None)
    base, derived = sampled(assemble.restore(run)), sampled(assemble.restore(out))
    error = np.linalg.norm(base - derived) / np.linalg.norm(base)
    assert 0 < error < 0.2


@pytest.mark.parametrize(
    ("method", "config", "words"),
    [
        ("deepcache", DeepCacheConfig(), "a JiT has no encoder and decoder"),
        ("time_table", TimeTableConfig(), "a JiT has no layers of time to table"),
    ],
)
def test_what_is_for_u_nets_says_so(method, config, words, run, tmp_path):
    with pytest.raises(InputError, match=words):
        assemble.derive(method, run, tmp_path / "it", config)
    assert not (tmp_path / "it" / "model.json").exists()


def test_models_of_before_are_known_by_what_they_were(model, export):
    """Settings that came later count only where they differ from how it was."""
    known = known_by(sealed_settings(Config())).keys()
    assert not known & {"architecture", "process", "noise_scale", "hidden_size"}
    said = json.loads(
        tf.saved_model.load(str(export)).signatures["config"]()["config"].numpy()
    )
    assert said["sealed"]["process"] == "linear"
    assert said["digest"] == model.digest
