"""8 bits with fixed ranges: scales, what stays float32, weights on their grids."""

import numpy as np
import pytest
import tensorflow as tf
from tiny_models import SHAPE, small_network

import pdm_tf as pdm
from pdm_tf.config import ExportConfig
from pdm_tf.config.quantization import MinMaxConfig
from pdm_tf.denoisers import NetworkDenoiser
from pdm_tf.evaluation.metrics import sqnr
from pdm_tf.export import int8, openvino
from pdm_tf.export.openvino import with_time_embedding_looked_up, write_openvino
from pdm_tf.export.openvino_int8 import find_scale
from pdm_tf.quantization.calibration import Rows
from pdm_tf.quantization.deriving import Fitting, plan_of
from pdm_tf.quantization.min_max import fit_nearest
from pdm_tf.quantization.observing import InputStatistics
from pdm_tf.quantization.spec import spec_of
from pdm_tf.serving import OpenvinoNetwork

STATIC = pdm.SamplingConfig(thresholding="static")


@pytest.fixture(scope="module")
def denoiser() -> NetworkDenoiser:
    return NetworkDenoiser(small_network(), pdm.NoiseSchedule.linear())


@pytest.fixture(scope="module")
def rows() -> Rows:
    """What a network may read; labels count up to none."""
    z = np.random.default_rng(0).normal(size=(6, *SHAPE)).astype(np.float32)
    t = np.linspace(0, 999, 6).astype(np.int32)
    return Rows(z, t, np.arange(6, dtype=np.int32) % 4)


@pytest.fixture(autouse=True)
def known_rows(rows, monkeypatch):
    monkeypatch.setattr(openvino, "rows_for_export", lambda *given: [rows])


def estimates(denoise, rows) -> np.ndarray:
    return denoise.conditioned(rows.labels)(
        tf.constant(rows.z), denoise.schedule.level(rows.t)
    ).x.numpy()


def test_smoothing_alone_changes_nothing(denoiser, rows):
    made = int8.prepared(denoiser, [rows], rounded=False)
    assert made.plan
    wanted = estimates(denoiser, rows)
    np.testing.assert_allclose(estimates(made, rows), wanted, atol=1e-4)


def test_what_is_sensitive_is_left_alone(denoiser):
    paths = set(int8.rounded_layers(denoiser))
    assert {"down_0_0/conv_in", "up_0_0/conv_out", "up_1_0/skip"} <= paths
    last = {"up_0_1/conv_out"}  # the decoder has a block more than the encoder
    assert not paths & {"patches_in", "patches_out", "up_0_0/skip", "time_1", *last}


def test_a_looked_up_time_embedding_changes_nothing(denoiser, rows):
    made = with_time_embedding_looked_up(denoiser)
    assert made.plan
    wanted = estimates(denoiser, rows)
    # All timesteps at once are summed in another order, which later layers magnify.
    np.testing.assert_allclose(estimates(made, rows), wanted, atol=1e-5)
    assert with_time_embedding_looked_up(made) is made


def test_uneven_channels_are_evened_out():
    """One channel is 100 times the others: one range leaves them 1 or 2 codes."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, 16, 8)).astype(np.float32)
    x[..., 0] *= 100
    w = rng.normal(size=(8, 5)).astype(np.float32)
    seen = InputStatistics(x.min(1), x.max(1), x, np.full(4, 16))
    smoothed = int8.fit_layer(seen, w, rounded=True)
    plain = int8.Smoothed(np.ones(8, np.float32), (float(x.min()), float(x.max())))
    # What matters less, the small channels, counts here as much as the large one.
    w[0] /= 100

    def fidelity(layer) -> float:
        given = layer.inputs(tf.constant(x), tf.constant([0]))
        return sqnr(x @ w, given.numpy() @ layer.kernel(tf.constant(w)).numpy())

    assert fidelity(smoothed) > fidelity(plain) + 10


def test_weights_on_a_grid_keep_it_and_others_span_127_steps():
    rng = np.random.default_rng(0)
    codes = rng.integers(-8, 8, (4, 3, 3, 6))
    codes[:, 0, 0, :2] = [-7, 6]  # steps that are apart by one
    steps = np.array([0.3, 0.01, 2.0, 0.007]).reshape(4, 1, 1, 1)
    found = find_scale((codes * steps).astype(np.float32), (1, 2, 3))
    np.testing.assert_allclose(found, steps, rtol=1e-4)
    other = rng.normal(size=(5, 7)).astype(np.float32)
    wanted = np.abs(other).max(axis=0, keepdims=True) / 127
    np.testing.assert_allclose(find_scale(other, (0,)), wanted, rtol=1e-6)
    assert find_scale(np.zeros((2, 2), np.float32), (1,)).tolist() == [[1.0], [1.0]]


def written(denoise, path, precision) -> OpenvinoNetwork:
    path.mkdir()
    config = ExportConfig(format="openvino", precision=precision)
    write_openvino(denoise, path, STATIC, config)
    return OpenvinoNetwork(path, precision)


def test_int8_by_openvino_is_close_and_small(denoiser, rows, tmp_path):
    pytest.importorskip("openvino")
    network = written(denoiser, tmp_path / "int8", "int8")
    found, _ = network(rows.z, rows.t, rows.labels)
    assert 25 < sqnr(estimates(denoiser, rows), found) < 80
    assert (tmp_path / "int8" / "model.xml").read_text().count('"FakeQuantize"') > 5


@pytest.mark.slow
def test_a_quantised_model_is_computed_on_its_own_grids(denoiser, rows, tmp_path):
    pytest.importorskip("openvino")
    config = MinMaxConfig(weight_bits=4, attention_bits=32)
    plan = plan_of(denoiser, spec_of(config, "symmetric"))
    fit_nearest(Fitting(denoiser, plan, rows, "it", None))
    made = denoiser.with_plan(plan)
    network = written(made, tmp_path / "int8", "int8")
    found, _ = network(rows.z, rows.t, rows.labels)
    wanted = estimates(made, rows)
    far = sqnr(estimates(denoiser, rows), wanted)
    assert sqnr(wanted, found) > far + 10
