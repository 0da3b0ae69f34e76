"""Our layers equal tensorflow-addons', so that the paper's weights keep their meaning.

The arrays were made by the real package, see tests/golden/make_tfa_golden.py.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from pdm_tf.networks.blocks import AttentionBlock, ResidualBlock
from pdm_tf.networks.layers import GroupNorm

WEIGHTS = ("kernel", "bias", "gamma", "beta")
GOLDEN = Path(__file__).resolve().parents[1] / "golden"


def read(file):
    """Arrays by case and name, and what was recorded about them."""
    with np.load(GOLDEN / f"{file}.npz", allow_pickle=False) as held:
        arrays = dict(held)
    about = {name: json.loads(str(arrays.pop(name))) for name in ("versions", "grids")}
    cases = {}
    for name, array in arrays.items():
        case, name = name.split(":")
        grid = about["grids"]["kernel" if name.endswith("/kernel") else "input"]
        whole = array.dtype == np.int8
        cases.setdefault(case, {})[name] = np.float32(array * grid) if whole else array
    return cases, about


NORMS, ABOUT_NORMS = read("tfa_norms")
BLOCKS, ABOUT_BLOCKS = read("tfa_blocks")


def load(layer, golden):
    """Gives every variable the array of its path below the layer; each is used."""
    wanted = {name for name in golden if name.split("/")[-1] in WEIGHTS}
    for v in layer.variables:
        path = v.path.split("/", 1)[1]
        # A projection of every pixel is a 1×1 convolution with the same numbers.
        assert np.prod(golden[path].shape) == np.prod(v.shape), path
        v.assign(np.reshape(golden[path], v.shape))
        wanted.remove(path)
    assert not wanted
    return layer


def test_the_arrays_are_the_real_packages():
    for about in (ABOUT_NORMS, ABOUT_BLOCKS):
        assert about["versions"]["tensorflow-addons"] == "0.23.0"
        assert about["versions"]["tensorflow-cpu"] == "2.15.1"
    assert sum(path.stat().st_size for path in GOLDEN.glob("tfa_*.npz")) < 200_000


@pytest.mark.parametrize("case", NORMS)
def test_normalisation(case):
    golden = NORMS[case]
    affine = "gamma" in golden
    layer = GroupNorm(affine=affine)
    layer.build(golden["x"].shape)
    assert layer.groups == golden["groups"]
    for v in layer.variables:
        v.assign(golden[v.name])
    x = tf.constant(golden["x"])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
        loss = tf.reduce_mean(y * golden["up"])
    np.testing.assert_allclose(y, golden["y"], atol=1e-5, rtol=1e-5)
    sources = {"x": x} | {v.name: v.value for v in layer.variables}
    for name, gradient in tape.gradient(loss, sources).items():
        wanted = golden[f"gradient/{name}"]
        scale = max(np.abs(wanted).max(), 1e-6)  # 0 where a group has one value
        np.testing.assert_allclose(gradient / scale, wanted / scale, atol=1e-5)


def test_attention():
    golden = BLOCKS["attention of two heads"]
    block = AttentionBlock(golden["x"].shape[-1])
    block.build(golden["x"].shape)
    assert block.heads == 2
    y = load(block, golden)(golden["x"])
    np.testing.assert_allclose(y, golden["y"], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("case", ["residual, skip and gate", "residual, neither"])
def test_residual(case):
    golden = BLOCKS[case]
    x, time, classes = (golden[name] for name in ("x", "time", "classes"))
    gated, project = "gate/kernel" in golden, "skip/kernel" in golden
    gate = classes.shape[1] if gated else 0
    block = ResidualBlock(golden["y"].shape[-1], time.shape[1], gate, project)
    block.build(x.shape)
    y = load(block, golden)(x, time, classes)
    np.testing.assert_allclose(y, golden["y"], atol=1e-5, rtol=1e-5)
    assert np.abs(golden["y"]).std() > 0.1


def test_the_default_epsilon_of_keras_would_be_told_apart():
    golden = NORMS["nearly constant"]
    x, groups = np.float64(golden["x"]), int(golden["groups"])
    parts = x.reshape(*x.shape[:3], groups, -1)
    mean = parts.mean((1, 2, 4), keepdims=True)
    for epsilon, same in ((1e-3, True), (1e-5, False)):
        y = (parts - mean) / np.sqrt(parts.var((1, 2, 4), keepdims=True) + epsilon)
        y = y.reshape(x.shape) * golden["gamma"] + golden["beta"]
        assert np.allclose(y, golden["y"], atol=1e-5) == same
