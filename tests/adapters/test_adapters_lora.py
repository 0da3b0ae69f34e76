"""Adapters: nothing at first or at scale 0, a product of matrices after that."""

from collections import Counter
from itertools import product

import numpy as np
import pytest
import tensorflow as tf
from small_networks import SCHEDULE, noisy, small_denoiser, small_network

from pdm_tf.adapters import Lora, lora_plan, merge, rescaled, unmerge
from pdm_tf.errors import SettingError
from pdm_tf.networks.recomputation import recomputing
from pdm_tf.networks.transforms import LayerTransform, layers_of, stacked, transformed

LEVEL, LABELS = SCHEDULE.level([20, 400, 900]), tf.constant([0, 2, 3])


@pytest.fixture(scope="module")
def network():
    return small_network()


def trained_plan(network, rank=2, seed=0, **settings):
    """Adapters that change something."""
    plan, rng = lora_plan(network, rank, seed, **settings), np.random.default_rng(seed)
    for change in plan.values():
        change.b.assign(0.1 * rng.normal(size=change.b.shape))
    return plan


def predicted(network, plan=None):
    denoise = small_denoiser(network, plan).conditioned(LABELS)
    return [np.array(part) for part in denoise(noisy(), LEVEL)]


def assert_equal(found, wanted):
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_new_adapter_and_one_at_scale_0_change_nothing(network):
    before = predicted(network)
    assert_equal(predicted(network, lora_plan(network, 4)), before)
    plan = trained_plan(network)
    assert np.abs(predicted(network, plan)[0] - before[0]).max() > 1e-3
    assert_equal(predicted(network, rescaled(plan, 0.0)), before)


@pytest.mark.parametrize("shape", [(3, 3, 5, 7), (1, 1, 4, 6), (8, 3)])
def test_a_kernel_gains_the_product_of_both_matrices(shape):
    rng = np.random.default_rng(0)
    w = rng.normal(size=shape).astype(np.float32)
    change = Lora(shape, 2, scale=0.5)
    change.b.assign(rng.normal(size=change.b.shape))
    wanted = w.copy()
    for place in np.ndindex(*shape):
        row = np.ravel_multi_index(place[:-1], shape[:-1])
        for r in range(2):
            wanted[place] += 0.5 * change.a[row, r] * change.b[r, place[-1]]
    np.testing.assert_allclose(change.kernel(tf.constant(w)), wanted, atol=1e-5)


def test_a_kernel_keeps_its_type():
    change = Lora((4, 6), 2)
    assert change.kernel(tf.zeros([4, 6], tf.bfloat16)).dtype == tf.bfloat16
    assert {v.dtype for v in change.variables.values()} == {tf.float32}


def test_every_layer_gets_one_of_few_parameters_under_names_that_stay(network):
    layers, plan = layers_of(network), lora_plan(network, 2)
    assert list(plan) == list(layers)
    for path, change in plan.items():
        rows, columns = np.prod(layers[path].kernel.shape[:-1]), change.b.shape[1]
        assert columns == layers[path].kernel.shape[-1]
        assert change.a.shape == (rows, 2)
    names = set(small_denoiser(network, plan).variables)
    assert names >= {
        f"plan.{path.replace('/', '.')}.{n}" for path in plan for n in "ab"
    }
    rank = lora_plan(network, 1000)["patches_out"].b.shape[0]
    assert rank == layers["patches_out"].kernel.shape[-1]  # no more than it has


def test_a_start_depends_on_the_seed_and_on_the_path(network):
    whole, part = lora_plan(network, 2), lora_plan(network, 2, layers="attention")
    assert 0 < len(part) < len(whole) and all("attention" in path for path in part)
    for path, change in part.items():
        np.testing.assert_array_equal(change.a, whole[path].a)
    starts = {change.a.numpy().tobytes() for change in whole.values()}
    assert len(starts) == len(whole)
    other = lora_plan(network, 2, seed=1)
    assert all(np.any(whole[path].a != other[path].a) for path in whole)


@pytest.mark.parametrize(
    ("rank", "layers", "named"),
    [(0, "", "rank=0"), (2, "(", "layers=("), (2, "x9", "x9")],
)
def test_what_fits_no_layer_is_refused_by_name(network, rank, layers, named):
    with pytest.raises(SettingError) as error:
        lora_plan(network, rank, layers=layers)
    assert named in str(error.value)


def test_merged_weights_compute_what_the_plan_did_and_come_back(network):
    before = {v.path: v.numpy() for v in network.variables}
    one, other = trained_plan(network), trained_plan(network, 1, 7, layers="conv|skip")
    both = stacked(one, rescaled(other, -0.5))
    wanted = predicted(network, both)
    merge(network, both)
    try:
        assert_equal(predicted(network), wanted)
    finally:
        unmerge(network, both)
    for variable in network.variables:
        np.testing.assert_allclose(variable, before[variable.path], atol=1e-6)
        variable.assign(before[variable.path])


def test_adapters_add_up_with_their_scales():
    w, rng = tf.zeros([3, 3, 4, 5]), np.random.default_rng(0)
    changes = [Lora(w.shape, 2, seed) for seed in (0, 1)]
    for change in changes:
        change.b.assign(rng.normal(size=change.b.shape))
    plans = [{"layer": change} for change in changes]
    both = stacked(rescaled(plans[0], 0.25), rescaled(plans[1], -2.0))["layer"]
    wanted = 0.25 * changes[0].kernel(w) - 2.0 * changes[1].kernel(w)
    np.testing.assert_allclose(both.kernel(w), wanted, atol=1e-6)
    assert {id(v) for v in both.variables.values()} == {
        id(v) for change in changes for v in change.variables.values()
    }


def test_only_adapters_are_merged(network):
    plan = {"patches_out": LayerTransform()}
    for change in (merge, unmerge):
        with pytest.raises(TypeError, match="LayerTransform"):
            change(network, plan)


def operations(denoise):
    """Operations of a call by kind, with those of the functions that it calls."""
    specs = tf.TensorSpec([None, *denoise.image_shape]), tf.TensorSpec([None], tf.int32)

    def call(z, labels):
        return denoise.conditioned(labels)(z, SCHEDULE.level(20))

    traced = tf.function(call, autograph=False).get_concrete_function(*specs)
    graph = traced.graph.as_graph_def()
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    return Counter(node.op for node in nodes)


def test_with_constant_weights_they_cost_no_operation(network):
    plan = trained_plan(network)
    served = small_denoiser(network, plan).with_constant_weights()
    base = small_denoiser(network).with_constant_weights()
    assert operations(served) == operations(base)
    found = served.conditioned(LABELS)(noisy(), LEVEL)
    for a, b in zip(found, predicted(network, plan), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def gradients(network, plan, kind):
    """Of a sum of squares with regard to the adapters."""
    variables = [v for change in plan.values() for v in change.variables.values()]
    denoise = small_denoiser(network, plan, apart=kind == "apart").conditioned(LABELS)

    def step():
        with tf.GradientTape() as tape:
            x, variance = denoise(noisy(), LEVEL)
            loss = tf.reduce_sum(x**2) + tf.reduce_sum(variance**2)
        return tape.gradient(loss, variables)

    if kind == "eager":
        return step()
    return tf.function(step, autograph=False, jit_compile=kind == "xla")()


@pytest.fixture(scope="module")
def true_gradients(network):
    return gradients(network, trained_plan(network), "eager")


QUICK = [("eager", False), ("graph", False)]
OTHERS = [
    case
    for case in product(["eager", "graph", "apart", "xla"], [False, True])
    if case not in QUICK
]


@pytest.mark.parametrize(
    ("kind", "remat"),
    [
        *QUICK,
        *(pytest.param(*case, marks=pytest.mark.slow) for case in OTHERS),
    ],
)
def test_gradients_are_those_of_the_plan_however_they_are_computed(
    network, true_gradients, kind, remat
):
    with recomputing(remat):
        found = gradients(network, trained_plan(network), kind)
    for a, b in zip(found, true_gradients, strict=True):
        scale = np.abs(b).max()
        assert scale > 1e-6
        np.testing.assert_allclose(a / scale, b / scale, atol=1e-4)


def test_a_plan_is_in_force_only_inside_its_own_denoiser(network):
    plan, before = trained_plan(network), predicted(network)
    with transformed(plan):
        pass
    predicted(network, plan)
    assert_equal(predicted(network), before)
