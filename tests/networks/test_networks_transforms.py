"""A plan changes layers from outside, in one denoiser and in no other."""

from functools import reduce

import numpy as np
import pytest
import tensorflow as tf
from quick import cases
from tiny_models import Scaled, small_network

from pdm_tf.denoisers import NetworkDenoiser
from pdm_tf.diffusion import NoiseSchedule
from pdm_tf.networks.transforms import (
    LayerTransform,
    constant_plan,
    layers_of,
    stacked,
    transformed,
)

Z = tf.random.stateless_normal([2, 8, 8, 1], (0, 1))
T, LABELS = tf.constant([300, 700]), tf.constant([0, 2])


class Shifted(LayerTransform):
    """Adds to what a layer reads, and takes half of what it gives."""

    def __init__(self, amount):
        self.amount = tf.Variable(amount)

    def inputs(self, x, t):
        return x + tf.cast(self.amount, x.dtype)

    def output(self, y, x, t):
        return 0.5 * y


def outputs(network, plan):
    with transformed(plan):
        return network(Z, T, LABELS)


def close(found, wanted, atol=1e-6):
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, atol=atol)


@pytest.fixture(scope="module")
def network():
    return small_network()


def test_every_layer_with_a_kernel_asks_for_its_transform(network):
    asked = []

    class Asked(LayerTransform):
        def __init__(self, path):
            self.path = path

        def inputs(self, x, t):
            asked.append(self.path)
            return x

    layers = layers_of(network)
    kernels = [v.path for v in network.variables if v.name == "kernel"]
    assert [f"unet/{path}/kernel" for path in layers] and len(layers) == len(kernels)
    assert {f"unet/{path}/kernel" for path in layers} == set(kernels)
    outputs(network, {path: Asked(path) for path in layers})
    assert sorted(asked) == sorted(layers)


def test_identity_transforms_give_the_same_bits(network):
    plan = {path: LayerTransform() for path in layers_of(network)}
    for found, wanted in zip(outputs(network, plan), outputs(network, {}), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_a_kernel_transform_is_the_network_with_that_kernel(network):
    for path, layer in layers_of(network).items():
        changed = outputs(network, {path: Scaled(1.5)})
        before = layer.kernel.numpy()
        layer.kernel.assign(1.5 * before)
        wanted = outputs(network, {})
        layer.kernel.assign(before)
        close(changed, wanted, atol=1e-5)


def test_a_plan_ends_with_its_scope_and_belongs_to_one_denoiser(network):
    schedule = NoiseSchedule.linear()
    plain = NetworkDenoiser(network, schedule)
    other = NetworkDenoiser(network, schedule, plan={"patches_in": Scaled(2.0)})
    level, wanted = schedule.level(400), outputs(network, {})
    with transformed({"patches_in": Scaled(3.0)}):
        inside = plain(Z, level).x, other(Z, level).x
    close(inside, (plain(Z, level).x, other(Z, level).x), atol=0)
    assert np.abs(inside[0] - inside[1]).max() > 1e-3
    close(outputs(network, {}), wanted, atol=0)


def test_stacked_transforms_act_in_turn_and_group_as_one_likes(network):
    path = "up_1_sample/conv"
    plans = [{path: Shifted(0.3)}, {path: Scaled(1.5)}, {path: Shifted(-0.7)}]
    left = reduce(stacked, plans)
    right = stacked(plans[0], stacked(plans[1], plans[2]))
    close(outputs(network, left), outputs(network, right), atol=1e-6)
    layer = layers_of(network)[path]
    x = tf.random.stateless_normal([2, 2, 2, 16], (3, 3))
    kernel = 1.5 * layer.kernel.value
    wanted = layer.apply_kernel(x + 0.3 - 0.7, kernel) + layer.bias.value
    made = left[path].apply(
        x,
        T,
        lambda x, change: (
            layer.apply_kernel(x, change.kernel(layer.kernel.value)) + layer.bias.value
        ),
    )
    np.testing.assert_allclose(made, 0.25 * wanted, atol=1e-5)


def test_constant_plans_hold_no_variables_and_change_nothing_else(network):
    plan = {"time_1": stacked({"a": Scaled(2.0)}, {"a": Shifted(0.1)})["a"]}
    fixed, wanted = constant_plan(plan), outputs(network, plan)
    assert len(plan["time_1"].variables) == 2 and not fixed["time_1"].variables
    for variable in plan["time_1"].variables.values():
        variable.assign(9.0)
    close(outputs(network, fixed), wanted)


@pytest.mark.parametrize("kind", cases(["graph", "apart", "xla"], ["apart"]))
def test_gradients_of_transforms_are_those_of_eager_execution(network, kind):
    plan = {"patches_out": Shifted(0.1), "middle_attention/out": Scaled()}
    variables = [v for p in plan.values() for v in p.variables.values()]
    schedule, level = NoiseSchedule.linear(), NoiseSchedule.linear().level(400)

    def gradients(apart):
        denoise = NetworkDenoiser(network, schedule, apart=apart, plan=plan)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(denoise(Z, level).x))
        return tape.gradient(loss, variables)

    wanted = gradients(apart=False)
    compiled = tf.function(
        lambda: gradients(apart=kind == "apart"), jit_compile=kind == "xla"
    )
    for found, right in zip(compiled(), wanted, strict=True):
        np.testing.assert_allclose(found, right, rtol=2e-3)
    assert all(abs(float(g)) > 1e-3 for g in wanted)


# --- the way down and the way up, apart -----------------------------------------------


def test_down_and_up_are_the_network(network):
    features = network.encode(Z, T, LABELS)
    output, variance, deep = network.decode(features, T, LABELS)
    assert deep is None
    close((output, variance), network(Z, T, LABELS), atol=0)


@pytest.mark.parametrize("live", [1, 2, 3, 4])
def test_the_last_blocks_go_on_from_their_own_input(network, live):
    whole = network.decode(network.encode(Z, T, LABELS), T, LABELS, live=live)
    shallow = network.encode(Z, T, LABELS, depth=live)
    assert shallow.bottom is None and len(shallow.skips) == live
    found = network.decode(shallow, T, LABELS, deep=whole.deep, live=live)
    close(found[:2], network(Z, T, LABELS), atol=0)
    np.testing.assert_array_equal(found.deep, whole.deep)


@pytest.mark.parametrize("live", [-1, 5])
def test_more_blocks_than_there_are_are_refused(network, live):
    features = network.encode(Z, T, LABELS)
    with pytest.raises(ValueError, match="choose 1 to 4"):
        network.decode(features, T, LABELS, live=live)


def test_a_plan_for_a_layer_that_is_not_there_is_refused(network):
    with pytest.raises(ValueError, match="no layer 'up_9_9/skip'"):
        NetworkDenoiser(network, NoiseSchedule.linear(), plan={"up_9_9/skip": Scaled()})
