"""Networks as Keras files: what is loaded elsewhere gives the same bits."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_models import SHAPE, small_network

from pdm_tf.config import JiTConfig
from pdm_tf.networks import JiT

# No room of training may be imported: importing one would fail.
ELSEWHERE = """
import sys
for room in ("training", "objectives", "assemble", "data", "denoisers", "samplers"):
    sys.modules[f"pdm_tf.{room}"] = None
import keras, numpy as np, pdm_tf.networks
for name in ("unet", "jit"):
    network = keras.models.load_model(f"{sys.argv[1]}/{name}.keras")
    given = np.load(f"{sys.argv[1]}/{name}.npz")
    output, variance = network(*(given[key] for key in ("z", "t", "labels")))
    np.savez(f"{sys.argv[1]}/{name}_out.npz", output=output, variance=variance)
"""


def unet():
    return small_network(augment=0.1)


def jit():
    network = JiT(
        JiTConfig(16, 2, 2, 4, 2, 1, image_shape=SHAPE, patch_size=2, num_classes=3)
    )
    rng = np.random.default_rng(0)
    for variable in network.variables:
        variable.assign(0.2 * rng.standard_normal(variable.shape))
    return network


MADE = {"unet": unet, "jit": jit}


def given(name):
    rng = np.random.default_rng(1)
    z = rng.standard_normal((2, *SHAPE)).astype(np.float32)
    t = np.array([3, 700], np.int32) if name == "unet" else np.float32([0.1, 0.8])
    return {"z": z, "t": t, "labels": np.array([0, 3], np.int32)}


@pytest.mark.slow
def test_a_process_without_the_code_of_training_loads_the_same_bits(tmp_path):
    wanted = {}
    for name, make in MADE.items():
        network = make()
        network.save(tmp_path / f"{name}.keras")
        np.savez(tmp_path / f"{name}.npz", **given(name))
        wanted[name] = network(*given(name).values())
    command = [sys.executable, "-c", ELSEWHERE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    for name, (output, variance) in wanted.items():
        found = np.load(tmp_path / f"{name}_out.npz")
        np.testing.assert_array_equal(found["output"], output)
        np.testing.assert_array_equal(found["variance"], variance)


@pytest.mark.parametrize("name", MADE)
def test_settings_survive_json_and_weights_their_file(name, tmp_path):
    network = MADE[name]()
    held = json.loads(json.dumps(network.get_config()))
    other = type(network).from_config(held)
    assert other.config == network.config and other.name == network.name
    before = [v.numpy() for v in other.variables]
    network.save_weights(tmp_path / "x.weights.h5")
    other.load_weights(tmp_path / "x.weights.h5")
    assert [v.path for v in other.variables] == [v.path for v in network.variables]
    moved = 0
    for a, b, was in zip(network.variables, other.variables, before, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=a.path)
        moved += bool(np.any(b.numpy() != was))
    assert moved == len(before)  # all had other values, so none was left out


@pytest.mark.parametrize("name", MADE)
def test_a_summary_counts_every_weight(name):
    network, lines = MADE[name](), []
    network.summary(print_fn=lambda line, line_break=True: lines.append(line))
    total = sum(int(tf.size(v)) for v in network.variables)
    assert f"{total:,}" in "\n".join(lines)


def test_precision_is_kept():
    network = small_network(precision="mixed_bfloat16")
    other = type(network).from_config(json.loads(json.dumps(network.get_config())))
    assert other.dtype_policy.name == "mixed_bfloat16"
    assert [v.dtype for v in other.variables] == [v.dtype for v in network.variables]
    assert keras.config.dtype_policy().name == "float32"
