"""JiT gives what its authors' code gives; other weights are refused with reasons."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from golden_jit import load

import pdm_tf as pdm
from pdm_tf.config import InputError
from pdm_tf.convert import jit
from pdm_tf.denoisers import guided
from pdm_tf.samplers.sampler import sample_from

# Parameters of the published networks, without the position code. B/16 has those of
# B/32 but for what patches of 16 pixels leave out of the first and the last layer.
PUBLISHED = {
    "B/16": ((256, 16, 768, 12, 12, 128, 4), 131_123_712),
    "B/32": ((512, 32, 768, 12, 12, 128, 4), 133_190_400),
    "L/16": ((256, 16, 1024, 24, 16, 128, 8), 458_877_664),
    "H/16": ((256, 16, 1280, 32, 16, 256, 10), 952_514_368),
}


@pytest.fixture(scope="module", params="ab")
def golden(request):
    return load(request.param)


def test_estimates_are_the_authors(golden):
    z, t, labels = (tf.constant(golden.given[name]) for name in "zty")
    x, variance = golden.network(z, t, tf.cast(labels, tf.int32))
    wanted = golden.given["x"]
    assert np.abs(x - wanted).max() < 1e-5 * np.abs(wanted).max()
    assert (variance.numpy() == 1.0).all()
    counted = sum(int(np.prod(v.shape)) for v in golden.network.variables)
    assert counted == golden.given["parameters"]


def test_its_authors_sampler_is_heun_on_the_straight_way(golden):
    flow = pdm.LinearFlow.of()
    interval = ((0.1 / 0.9) ** 2, np.inf)  # 0.1 < t
    denoise = guided(
        pdm.NetworkDenoiser(golden.network, flow),
        tf.constant(golden.given["drawn_y"], tf.int32),
        2.9,
        None,
        interval,
    )
    start = tf.constant(golden.given["z"])
    x = sample_from(denoise, pdm.LinearHeun(), flow.grid(6), [1, 2, 3], start)
    assert np.abs(x - golden.given["drawn"]).max() < 1e-5


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] * name.startswith(("L", "H")))
        for name in PUBLISHED
    ],
)
def test_published_networks_have_exactly_their_parameters(name):
    (size, patch, wide, depth, heads, narrow, start), parameters = PUBLISHED[name]
    config = pdm.JiTConfig(
        image_shape=(size, size, 3),
        patch_size=patch,
        hidden_size=wide,
        depth=depth,
        num_heads=heads,
        bottleneck=narrow,
        context_start=start,
    )
    with keras.StatelessScope():  # no memory is taken for them
        network = pdm.JiT(config)
    assert sum(int(np.prod(v.shape)) for v in network.variables) == parameters


def test_a_network_is_told_by_its_weights():
    config = load("a").network.config
    assert config == pdm.JiTConfig(
        image_shape=(16, 16, 3),
        patch_size=4,
        hidden_size=64,
        depth=4,
        num_heads=4,
        num_classes=10,
        bottleneck=16,
        context_tokens=8,
        context_start=2,
    )
    with pytest.raises(InputError, match="context_start: unknown for 4 blocks"):
        jit.config_of(load("a").weights, height=16)
    with pytest.raises(InputError, match="not those of a JiT"):
        jit.config_of({"net.conv.weight": np.zeros([3, 3])})


def test_weights_that_do_not_fit_are_named_all():
    network, weights, _ = load("b")
    wrong = dict(weights)
    del wrong["net.blocks.1.norm1.weight"]
    wrong["net.extra.bias"] = np.zeros(3)
    wrong["net.final_layer.linear.bias"] = np.zeros(7)
    with pytest.raises(InputError) as error:
        jit.assign(network, wrong)
    assert "net.extra.bias is not of this network" in str(error.value)
    assert "net.final_layer.linear.bias is (7,)" in str(error.value)
    assert "block_1/norm_1/gamma is missing" in str(error.value)
