"""Time table: the same numbers, without the layers."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from networks_to_cache import GATED, LABELS, SHAPE, Scaled, denoiser, sampled

import pdm_tf as pdm
from pdm_tf.acceleration.deepcache import DeepCached
from pdm_tf.acceleration.key_steps import EveryNth
from pdm_tf.acceleration.time_table import derive
from pdm_tf.config import InputError
from pdm_tf.config.acceleration import TimeTableConfig
from pdm_tf.denoisers import EmpiricalDenoiser
from pdm_tf.errors import SettingError
from pdm_tf.export import export_saved_model
from pdm_tf.networks.transforms import LayerTransform

CONFIGS = {
    "gates": GATED,
    "class added": replace(GATED, class_gate=False),
    "no classes": replace(GATED, num_classes=0),
}
TIME = ("time_1", "time_2", "variance_time", "/time", "/gate")
each = pytest.mark.parametrize("name", CONFIGS)


def tabled(base):
    return derive(base, TimeTableConfig()).denoiser


def time_kernels(network):
    """Kernels of the layers that tables replace."""
    names = tuple(f"{name}/kernel" for name in TIME)
    return [v for v in network.variables if v.path.endswith(names)]


@each
def test_every_timestep_and_label_gives_the_base_s_estimate(name):
    base = denoiser(CONFIGS[name])
    made = tabled(base)
    t = np.arange(1000)
    z = tf.random.stateless_normal([1000, *SHAPE], (1, 2))
    for label in range(base.num_classes + 1):
        if base.num_classes:
            labels = np.full(1000, label)
            wanted = base.conditioned(labels)(z, base.schedule.level(t))
            found = made.conditioned(labels)(z, base.schedule.level(t))
        else:
            wanted, found = (d(z, base.schedule.level(t)) for d in (base, made))
        assert np.std(wanted.x) > 0.1
        for a, b in zip(found, wanted, strict=True):
            assert np.mean(np.abs(a - b)) < 1e-6
            np.testing.assert_allclose(a, b, atol=5e-5)  # of 64,000 numbers


@each
def test_pictures_are_the_base_s_and_no_layer_of_time_is_read(name):
    base = denoiser(CONFIGS[name])
    made = tabled(base)
    np.testing.assert_allclose(sampled(made), sampled(base), atol=5e-5)
    traced = made.compiled(lambda *given: made.network(*given)).get_concrete_function()
    read = {id(v) for v in traced.variables}
    kernels = time_kernels(base.network)
    assert len(kernels) >= 10
    assert not [v.path for v in kernels if id(v.value) in read]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (name != "gates"))
        for name in CONFIGS
    ],
)
def test_an_export_has_no_product_of_the_time_layers(name, tmp_path):
    base = denoiser(CONFIGS[name])
    sampling = pdm.SamplingConfig(thresholding="static")
    products, pictures = [], []
    for denoise in (base, tabled(base)):
        directory = tmp_path / str(len(products))
        export_saved_model(denoise, directory, "", sampling, ["ddim"])
        loaded = tf.saved_model.load(str(directory))
        denoised = loaded.signatures["denoise"]
        library = denoised.graph.as_graph_def().library.function
        nodes = [node for function in library for node in function.node_def]
        products.append(sum(node.op == "MatMul" for node in nodes))
        z = tf.random.stateless_normal([4, *SHAPE], (3, 4))
        t, labels = tf.constant([0, 10, 500, 999]), tf.constant([0, 1, 2, 3])
        pictures.append(denoised(z=z, t=t, labels=labels)["x"])
    assert products[0] - products[1] >= len(time_kernels(base.network))
    np.testing.assert_allclose(*pictures, atol=5e-5)


@pytest.mark.slow
def test_adapters_of_time_layers_are_in_the_tables():
    plan = {"time_2": Scaled(1.3), "up_0_0/time": Scaled(1.2)}
    base = denoiser().with_plan(plan)
    assert np.abs(sampled(base) - sampled(denoiser())).max() > 1e-3
    t, labels = np.arange(0, 1000, 10), np.arange(100) % 4
    z, level = tf.random.stateless_normal([100, *SHAPE], (1, 2)), base.schedule.level(t)
    wanted, found = (d.conditioned(labels)(z, level).x for d in (base, tabled(base)))
    assert np.mean(np.abs(found - wanted)) < 1e-6
    np.testing.assert_allclose(found, wanted, atol=5e-5)


def test_what_is_no_sum_is_refused():
    class Squared(LayerTransform):
        def output(self, y, x, t):
            return y * y

    plan = {"up_0_0/time": Squared()}
    with pytest.raises(InputError, match="up_0_0/time"):
        tabled(denoiser(CONFIGS["class added"]).with_plan(plan))
    tabled(denoiser().with_plan(plan))  # with gates there is nothing to add up


@pytest.mark.slow  # on adapters and on splits it stands in the quick set
def test_it_stands_on_a_cache_and_a_cache_on_it():
    base = denoiser()
    cached = DeepCached(base, EveryNth(3))
    above, below = tabled(cached), DeepCached(tabled(base), EveryNth(3))
    np.testing.assert_array_equal(sampled(above), sampled(below))
    np.testing.assert_allclose(sampled(above), sampled(cached), atol=5e-5)
    split = pdm.split(base, denoiser(seed=1), snr=0.5)
    np.testing.assert_allclose(sampled(tabled(split)), sampled(split), atol=5e-5)


def test_nothing_is_stored_and_tables_are_the_same_when_made_again():
    base = denoiser()
    made, again = tabled(base), tabled(base)
    assert dict(made.variables) == dict(base.variables)
    np.testing.assert_array_equal(sampled(made), sampled(again))
    alone = sampled(made, seeds=(4,), labels=LABELS[1:2])
    np.testing.assert_allclose(alone, sampled(made)[1:2], atol=5e-5)


def test_what_cannot_be_tabled_is_refused():
    base = denoiser()
    with pytest.raises(SettingError, match="largest"):
        derive(base, TimeTableConfig(largest=0))
    with pytest.raises(InputError, match="EmpiricalDenoiser"):
        pictures = np.zeros([2, *SHAPE], np.float32)
        tabled(EmpiricalDenoiser(pictures, base.schedule))
