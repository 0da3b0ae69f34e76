"""The patched U-Net gives what its authors' PyTorch code gives for its weights.

The golden file is of that code with the 1e-3 in group normalisation that the networks
were trained with; weights by rule.
"""

import ast
import json
import zlib
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import pdm_tf as pdm
from pdm_tf.assemble import open_model
from pdm_tf.config import InputError
from pdm_tf.convert import patch_diffusion
from pdm_tf.convert.__main__ import main
from pdm_tf.storage.arrays import read_arrays, write_arrays

FILE = Path(__file__).with_name("patch_diffusion_golden.npz")


def weight(name, shape):
    """The rule: noise by the name's checksum, and gains around 1."""
    made = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    gain = len(shape) == 1 and name.endswith("weight")
    return (made * 0.05).astype(np.float32) + np.float32(gain)


def load(key):
    with np.load(FILE) as file:
        given = {n[2:]: file[n] for n in file.files if n.startswith(f"{key}_")}
    named = zip(given["names"], given["shapes"], strict=True)
    return {str(n): weight(str(n), ast.literal_eval(str(s))) for n, s in named}, given


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """A run that the command made of a file with the weights of network a."""
    folder = tmp_path_factory.mktemp("patch_diffusion")
    weights, given = load("a")
    write_arrays(folder / "a.safetensors", weights)
    words = [f"--checkpoint={folder / 'a.safetensors'}", f"--out={folder / 'run'}"]
    words += ["--image_shape=16,16,3", "--snr_low=0.25"]
    assert main(["", "patch_diffusion", *words]) == 0
    return folder / "run", weights, given


def agree(network, given):
    labels = tf.constant(given["y"], tf.int32) if network.config.num_classes else None
    z, t = tf.constant(given["z"]), tf.constant(given["t"], tf.int32)
    x, variance = network(z, t, labels)
    assert np.abs(x - given["x"]).max() < 1e-5 * np.abs(given["x"]).max()
    np.testing.assert_allclose(variance, given["variance"], atol=1e-5)


def test_a_gated_network_with_attention_is_the_authors(converted):
    run, _, given = converted
    opened = open_model(run)
    agree(opened.denoiser.network, given)
    assert opened.settings.network.channel_multipliers == (1.0, 1.5)
    assert opened.settings.network.attention_levels == (1,)
    assert opened.settings.training.snr_low == 0.25


def test_one_without_classes_is_too():
    weights, given = load("b")
    config = patch_diffusion.config_of(weights, (16, 16, 3))
    assert config.patch_size == 4 and config.blocks_per_level == (2, 2, 2)
    network = pdm.PatchedUNet(config)
    patch_diffusion.assign(network, weights)
    agree(network, given)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda w: w.pop("time_embed.0.weight"), "not those of a patched U-Net"),
        (lambda w: w.pop("out.2.bias"), "patches_out/bias is missing"),
        (lambda w: w.update(more=w["out.2.bias"]), "more is not of this network"),
        (lambda w: w.pop("input_blocks.1.0.out_layers.2.weight"), "no block input_b"),
    ],
)
def test_what_does_not_fit_is_refused(change, words):
    weights, _ = load("b")
    change(weights)
    with pytest.raises(InputError, match=words):
        config = patch_diffusion.config_of(weights, (16, 16, 3))
        patch_diffusion.assign(pdm.PatchedUNet(config), weights)
    with pytest.raises(InputError, match="image_shape=16,16,1"):
        patch_diffusion.config_of(load("a")[0], (16, 16, 1))


# --- and out again --------------------------------------------------------------------


def test_weights_go_out_as_the_authors_have_them(converted, tmp_path):
    run, weights, _ = converted
    words = [f"--model={run}", f"--out={tmp_path / 'out'}", "--names=authors"]
    assert main(["", "safetensors", *words]) == 0
    given = read_arrays(tmp_path / "out" / "model.safetensors")
    assert given.keys() == weights.keys()
    for name, value in weights.items():
        np.testing.assert_array_equal(given[name], value, err_msg=name)


def test_weights_go_out_as_they_are_called_here(converted, tmp_path):
    run, *_ = converted
    words = [f"--model={run}", f"--out={tmp_path / 'out'}"]
    assert main(["", "safetensors", *words]) == 0
    given = read_arrays(tmp_path / "out" / "model.safetensors")
    opened = open_model(run)
    held = opened.denoiser.variables
    assert given.keys() == held.keys()
    for name, variable in held.items():
        np.testing.assert_array_equal(given[name], variable.numpy())
    said = json.loads((tmp_path / "out" / "config.json").read_text())
    assert said["digest"] == opened.digest and said["network"] == "unet"
    assert said["settings"]["network"]["patch_size"] == 2
    with pytest.raises(InputError, match="is not empty"):
        main(["", "safetensors", *words])


def test_keras_reads_what_is_written_for_it(converted, tmp_path):
    run, _, given = converted
    assert main(["", "keras", f"--model={run}", f"--out={tmp_path / 'out'}"]) == 0
    keras.utils.set_random_seed(1)
    network = pdm.PatchedUNet(open_model(run).settings.network)
    network.load_weights(tmp_path / "out" / "model.weights.h5")
    agree(network, given)
    assert {p.name for p in (tmp_path / "out").iterdir() if p.name[0] != "."} == {
        "model.keras",
        "model.weights.h5",
        "config.json",
    }


def test_more_than_a_network_has_no_names_of_others(converted, tmp_path):
    run, *_ = converted
    words = [f"--base={run}", f"--out={tmp_path / 'cached'}", "--report_images=0"]
    from pdm_tf.acceleration.__main__ import main as accelerate

    accelerate(["", "deepcache", *words])
    for kind in (["safetensors", "--names=authors"], ["keras"]):
        with pytest.raises(InputError, match="more than one network"):
            words = [f"--model={tmp_path / 'cached'}", f"--out={tmp_path / 'out'}"]
            main(["", *kind, *words])
