"""The patched U-Net: its size, its numbers, and the same ones however it is run."""

import gc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import reference
import tensorflow as tf
from quick import cases

from pdm_tf.config import UNetConfig
from pdm_tf.networks import NETWORKS, PatchedUNet

SMALL = UNetConfig(
    image_shape=(8, 8, 1),
    patch_size=1,
    width=8,
    channel_multipliers=(1.0, 2.0),
    blocks_per_level=1,
    attention_resolutions=(4,),
)
CONFIGS = {
    "plain": SMALL,
    "patches": replace(SMALL, image_shape=(16, 16, 3), patch_size=2),
    "non-square": replace(SMALL, image_shape=(8, 24, 2), patch_size=2),
    "gated": replace(SMALL, num_classes=3, attention_resolutions=(8, 4)),
    "added": replace(SMALL, num_classes=3, class_gate=False),
    "multiplier 1.5": replace(SMALL, channel_multipliers=(1.0, 1.5)),
    "first multiplier 2": replace(SMALL, channel_multipliers=(2.0, 1.0)),
    "list of blocks": replace(SMALL, blocks_per_level=(2, 1)),
    "one level": replace(SMALL, channel_multipliers=(1.0,), image_shape=(4, 6, 3)),
    "three levels": replace(
        SMALL, channel_multipliers=(1.0, 1.0, 2.0), blocks_per_level=(1, 2, 1)
    ),
    "two heads": replace(
        SMALL, width=64, channel_multipliers=(1.0, 2.0), image_shape=(4, 4, 1)
    ),
    "odd width": replace(SMALL, width=9),
}


def inputs(config, size=2):
    rng = np.random.default_rng(0)
    z = tf.constant(rng.normal(size=(size, *config.image_shape)), tf.float32)
    t = tf.constant(np.resize([3, 640, 999], size), tf.int32)
    labels = tf.constant(np.resize([0, config.num_classes], size), tf.int32)
    return z, t, labels if config.num_classes else None


def close(got, wanted, tolerance=1e-5):
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


# --- its numbers ----------------------------------------------------------------------


@pytest.mark.parametrize("name", CONFIGS)
def test_equals_the_naive_forward_pass(name):
    config = CONFIGS[name]
    network = reference.randomise(PatchedUNet(config))
    naive = reference.UNet(config, reference.weights_of(network))
    z, t, labels = inputs(config)
    output, variance = network(z, t, labels)
    wanted = naive(z.numpy(), t.numpy(), None if labels is None else labels.numpy())
    assert np.std(wanted[0]) > 0.1 and np.std(wanted[1]) > 0.01  # not trivially equal
    close((output, variance), wanted)
    assert naive.used == set(naive.weights)  # no weight without an effect


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("name", cases(["patches", "gated"], ["patches"]))
def test_eager_graph_and_xla_agree(kind, name):
    config = CONFIGS[name]
    network = reference.randomise(NETWORKS[kind](config))
    z, t, labels = inputs(config, 3)
    wanted = network(z, t, labels)
    graph = tf.function(lambda *given: network(*given))
    compiled = tf.function(lambda *given: network(*given), jit_compile=True)
    close(graph(z, t, labels), wanted)
    close(compiled(z, t, labels), wanted)


@pytest.mark.parametrize("kind", NETWORKS)
def test_pictures_of_a_batch_do_not_know_each_other(kind):
    config = CONFIGS["gated"]
    network = reference.randomise(NETWORKS[kind](config))
    z, t, labels = inputs(config, 3)
    whole = network(z, t, labels)
    for n in range(3):
        alone = network(z[n : n + 1], t[n : n + 1], labels[n : n + 1])
        close(alone, [part[n : n + 1] for part in whole])


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("name", ["plain", "gated", "added"])
def test_one_timestep_counts_for_all_pictures(kind, name):
    config = CONFIGS[name]
    network = reference.randomise(NETWORKS[kind](config))
    z, _, labels = inputs(config, 3)
    close(
        network(z, tf.constant([640]), labels),
        network(z, tf.fill([3], 640), labels),
        1e-6,
    )


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("name", CONFIGS)
def test_pictures_go_in_and_pictures_come_out(kind, name):
    network = reference.randomise(NETWORKS[kind](CONFIGS[name]))
    z, t, labels = inputs(CONFIGS[name])
    for part in network(z, t, labels):
        assert part.shape == z.shape and part.dtype == tf.float32
    _, variance = network(10 * z, t, labels)
    assert variance.numpy().min() >= 0 and variance.numpy().max() <= 1


@pytest.mark.parametrize("name", ["patches", "gated", "added", "two heads"])
def test_half_precision_is_within_two_percent(name):
    config = CONFIGS[name]
    network = reference.randomise(PatchedUNet(config))
    half = PatchedUNet(replace(config, precision="mixed_bfloat16"))
    for mine, its in zip(half.variables, network.variables, strict=True):
        assert mine.dtype == "float32"
        mine.assign(its)
    given = inputs(config, 4)
    for got, wanted in zip(half(*given), network(*given), strict=True):
        assert got.dtype == tf.float32
        assert tf.norm(got - wanted) < 0.02 * tf.norm(wanted)
        assert tf.norm(got - wanted) > 0  # it did compute in half precision


def test_half_precision_hears_each_timestep():
    half = PatchedUNet(replace(SMALL, precision="mixed_bfloat16"))
    reference.randomise(half)
    z = tf.repeat(inputs(SMALL, 1)[0], 2, axis=0)
    # bfloat16 cannot tell these two numbers apart.
    assert tf.cast(998, tf.bfloat16) == tf.cast(999, tf.bfloat16)
    output, _ = half(z, tf.constant([998, 999]))
    assert tf.reduce_max(tf.abs(output[0] - output[1])) > 0.01


# --- labels ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gated", "added"])
def test_labels_matter_and_so_does_their_absence(name):
    config = CONFIGS[name]
    network = reference.randomise(PatchedUNet(config))
    z = tf.repeat(inputs(config, 1)[0], 4, axis=0)
    output, _ = network(z, tf.constant([500]), tf.range(4))  # the last: no label
    for a in range(4):
        for b in range(a):
            assert tf.reduce_max(tf.abs(output[a] - output[b])) > 1e-3


def test_gates_belong_to_networks_with_classes():
    def gates(**how):
        paths = [v.path for v in PatchedUNet(replace(SMALL, **how)).variables]
        return sum("/gate/" in path for path in paths)

    assert gates(num_classes=2) == 2 * 8  # kernel and bias of each residual block
    assert gates(num_classes=2, class_gate=False) == gates(num_classes=0) == 0


# --- its size -------------------------------------------------------------------------


def of_side(side, patch, width, multipliers, blocks, classes=0):
    return UNetConfig(
        image_shape=(side, side, 3),
        patch_size=patch,
        width=width,
        channel_multipliers=multipliers,
        blocks_per_level=blocks,
        attention_resolutions=(16, 8),
        num_classes=classes,
        class_gate=True,
    )


PAPER = {  # configuration, parameters, of them in the variance head
    "church 2": (of_side(256, 2, 128, (1, 2, 2, 4, 4), 2), 122_916_120, 440_204),
    "church 4": (of_side(256, 4, 256, (1, 1, 2, 2), 2), 121_416_544, 1_553_200),
    "church 8": (of_side(256, 8, 256, (1, 1.5, 2), 3), 121_011_584, 1_885_120),
    "ffhq": (of_side(1024, 4, 128, (1, 2, 2, 4, 4, 4), 2), 162_645_344, 481_712),
    "imagenet": (
        of_side(256, 4, 256, (1, 2, 2, 2), 3, classes=1000),
        202_148_704,
        1_553_200,
    ),
}


def memory(kind):
    """Memory of this process [bytes]: VmRSS now, VmHWM at its peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(kind))


def forget_peak():
    """Whether the peak of memory could be set back to what is used now."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_networks_have_exactly_their_parameters(name):
    config, total, head = PAPER[name]
    gc.collect()
    measurable = forget_peak()
    before = memory("VmRSS") if measurable else 0
    network = PatchedUNet(config)
    if measurable:  # built without a second copy of the weights
        assert memory("VmHWM") - before < 1.5 * 4 * total
    sizes = {v.path: int(np.prod(v.shape)) for v in network.trainable_variables}
    assert sum(sizes.values()) == total
    of_head = [size for path, size in sizes.items() if "/variance_" in path]
    assert sum(of_head) == head
    assert len(sizes) == len(network.variables)  # paths are unique, all are trained


def test_a_fresh_network_believes_in_nothing():
    config = CONFIGS["gated"]
    output, variance = PatchedUNet(config)(*inputs(config))
    assert not output.numpy().any()
    assert variance.numpy().std() > 0


def test_weights_exist_and_have_fixed_names_once_constructed(seeded):
    first, second = PatchedUNet(SMALL), PatchedUNet(SMALL)
    assert [v.path for v in first.variables] == [v.path for v in second.variables]
    assert all(v.path.startswith("unet/") for v in first.variables)
    before = len(first.variables)
    first(*inputs(SMALL))
    assert len(first.variables) == before
