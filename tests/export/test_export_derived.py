"""Exports of models that were derived: plans of transforms, wrappers, lineage."""

import json

import numpy as np
import pytest
import tensorflow as tf
from quick import cases
from test_export_saved_model import tiny_denoiser

import pdm_tf as pdm
from pdm_tf.data.images import to_uint8
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.export import export_saved_model, litert
from pdm_tf.networks.transforms import LayerTransform
from pdm_tf.samplers import sample
from pdm_tf.serving import LitertNetwork, open_generator, weights

SEEDS, LABELS, STEPS, WEIGHT = [5, 6, 9], [1, 0, 3], 5, 1.5
SAMPLING = pdm.SamplingConfig(thresholding="static")
LINEAGE = [{"method": "scaled", "settings": {"gain": 1.5}, "paper": "none"}]


class Scaled(LayerTransform):
    """A layer of another kernel and output, by two variables."""

    def __init__(self, gain: float, shift: float) -> None:
        self.gain, self.shift = tf.Variable(gain), tf.Variable(shift)

    def kernel(self, w):
        return w + tf.cast(self.shift, w.dtype)

    def output(self, y, x, t):
        return y * tf.cast(self.gain, y.dtype)


@pytest.fixture(scope="module")
def base():
    return tiny_denoiser(0)


@pytest.fixture(scope="module")
def derived(base):
    plan = {"middle_0/conv_in": Scaled(1.5, 0.1), "up_0_0/skip": Scaled(0.5, 0.0)}
    return base.with_plan(plan)


def pictures(denoise) -> np.ndarray:
    grid = denoise.schedule.grid(STEPS)
    guided = for_sampling(denoise, LABELS, WEIGHT, SAMPLING)
    return to_uint8(
        sample(guided, pdm.DDIM(), grid, SEEDS, denoise.image_shape)
    ).numpy()


def served_by_session(directory) -> np.ndarray:
    """The same request by the loader that TF Serving and C++ use."""
    v1 = tf.compat.v1
    with v1.Session(graph=tf.Graph()) as session:
        graph = v1.saved_model.load(session, ["serve"], str(directory))
        signature = graph.signature_def["sample"]
        inputs = {"seeds": SEEDS, "labels": LABELS, "steps": STEPS, "guidance": WEIGHT}
        feed = {signature.inputs[name].name: value for name, value in inputs.items()}
        return session.run(signature.outputs["images"].name, feed)


@pytest.mark.parametrize(
    "limit", cases([2**30, 0], [2**30], {2**30: "constants", 0: "variables"}.get)
)
def test_a_plan_is_exported_with_its_variables(
    limit, base, derived, tmp_path, monkeypatch
):
    monkeypatch.setattr(weights, "CONSTANT", limit)
    path = tmp_path / "export"
    export_saved_model(derived, path, "", SAMPLING, ["ddim"], LINEAGE)
    made = open_generator("model", path).generate(
        np.array(SEEDS), np.array(LABELS), STEPS, WEIGHT, "ddim"
    )
    wanted = pictures(derived.with_constant_weights() if limit else derived)
    np.testing.assert_array_equal(made, wanted)
    np.testing.assert_array_equal(made, served_by_session(path))
    assert np.abs(made.astype(int) - pictures(base)).mean() > 1
    stored = dict(tf.train.list_variables(str(path / "variables" / "variables")))
    assert any("gain" in name for name in stored) == (limit == 0)


def test_an_export_says_how_its_model_was_derived(base, derived, tmp_path):
    export_saved_model(derived, tmp_path / "it", "", SAMPLING, ["ddim"], LINEAGE)
    signatures = tf.saved_model.load(str(tmp_path / "it")).signatures
    said = json.loads(signatures["config"]()["config"].numpy())
    assert said["lineage"] == LINEAGE
    of_base = open_generator("model", tmp_path / "it").description["parameters"]
    assert of_base == sum(tf.size(v).numpy() for v in derived.variables.values())
    assert of_base == 4 + sum(tf.size(v).numpy() for v in base.variables.values())


@pytest.mark.slow
def test_a_plan_converts_for_litert(base, derived, tmp_path):
    pytest.importorskip("ai_edge_litert")
    litert.convert(derived, tmp_path / "it.tflite")
    z = np.random.default_rng(0).normal(size=(2, *base.image_shape)).astype(np.float32)
    t, labels = np.array([3, 90], np.int32), np.array([1, 3], np.int32)
    x, _ = LitertNetwork(tmp_path / "it.tflite")(z, t, labels)
    level = derived.schedule.level(tf.constant(t))
    np.testing.assert_allclose(x, derived.conditioned(labels)(z, level).x, atol=1e-5)
    assert np.abs(x - base.conditioned(labels)(z, level).x).max() > 1e-2
