"""The public names: one explicit list, loaded on first use, documented."""

import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import reference
import tensorflow as tf

import pdm_tf as pdm
from pdm_tf import samplers

ROOT = Path(__file__).resolve().parent.parent
CONTRACT = {
    "DDPM",
    "NetworkDenoiser",
    "NoiseSchedule",
    "PatchedUNet",
    "UNetConfig",
    "export_saved_model",
    "guided",
    "patchify",
    "restore",
    "sample",
    "split",
    "train",
    "unpatchify",
}


def test_the_contract_is_kept():
    assert set(pdm.__all__) >= CONTRACT
    assert sorted(set(pdm.__all__)) == sorted(pdm.__all__) == sorted(dir(pdm))


def test_every_sampler_on_the_shelf_is_public():
    classes = {
        name
        for name in samplers.__all__
        if hasattr(getattr(samplers, name), "step") and name != "Sampler"
    }
    assert classes <= set(pdm.__all__)


@pytest.mark.parametrize("name", pdm.__all__)
def test_a_public_name_loads_from_its_home(name):
    value = getattr(pdm, name)
    home = import_module(f"pdm_tf.{pdm._HOMES[name]}")
    assert getattr(home, name) is value is getattr(pdm, name)


@pytest.mark.parametrize("name", pdm.__all__)
def test_a_public_name_is_documented(name):
    text = inspect.getdoc(getattr(pdm, name))
    assert text and len(text.split()) >= 3
    assert not text.startswith(f"{name}(")  # what a dataclass writes by itself


@pytest.mark.parametrize("name", pdm.__all__)
def test_public_functions_and_methods_are_annotated(name):
    value = getattr(pdm, name)
    if not inspect.isfunction(value):
        return
    signature = inspect.signature(value)
    assert signature.return_annotation is not inspect.Signature.empty
    for parameter in signature.parameters.values():
        assert parameter.annotation is not inspect.Parameter.empty


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        pdm.no_such_name  # noqa: B018


def test_importing_loads_nothing_heavy():
    code = (
        "import sys, pdm_tf, pdm_tf.config, pdm_tf.flags; dir(pdm_tf); pdm_tf.Config;"
        "sys.exit(any(m in sys.modules for m in ('tensorflow', 'keras', 'numpy')))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_the_plans_example_runs():
    schedule = pdm.NoiseSchedule.linear(timesteps=1000, beta_end=0.02)
    config = pdm.UNetConfig(
        image_shape=(8, 8, 3),
        patch_size=4,
        width=8,
        channel_multipliers=(1, 1),
        blocks_per_level=1,
        attention_resolutions=(2,),
        num_classes=2,
    )
    network = reference.randomise(pdm.PatchedUNet(config))
    low = pdm.NetworkDenoiser(network, schedule, prediction="x")
    high = pdm.NetworkDenoiser(network, schedule, prediction="v")
    denoise = pdm.split(low, high, snr=0.25)
    denoise = pdm.guided(denoise, tf.constant([0, 1]), weight=1.5, threshold=99.5)
    pictures = pdm.sample(
        denoise, pdm.DDPM(), schedule.grid(3), seeds=range(2), image_shape=(8, 8, 3)
    )
    assert pictures.shape == (2, 8, 8, 3) and pictures.dtype == tf.float32
    assert np.isfinite(pictures).all() and np.abs(pictures).max() <= 1
    grid = pdm.patchify(pictures, 4)
    assert grid.shape == (2, 2, 2, 48)
    np.testing.assert_array_equal(pdm.unpatchify(grid, 4), pictures)
