"""Derived models restore as their bases do: cached, few-step, of few bits."""

import numpy as np
import pytest

from pdm_tf.assemble.deriving import derive
from pdm_tf.assemble.methods import open_method
from pdm_tf.data.images import save_png
from pdm_tf.inverse.__main__ import main

pytestmark = pytest.mark.slow
SETTINGS = {
    "deepcache": {},
    "lcm_lora": {"rank": 2, "iterations": 2, "batch_size": 4, "warmup": 1},
    "ptq4dm": {"calibration_images": 2, "calibration_steps": 3},
}


@pytest.fixture(scope="module")
def models(tiny_run, tmp_path_factory):
    """A model of each kind, made of a tiny run; and a picture of its size."""
    folder = tmp_path_factory.mktemp("derived")
    for name, settings in SETTINGS.items():
        config = open_method(name).Config(**settings)
        assert derive(name, str(tiny_run), str(folder / name), config)
    from pdm_tf.assemble import open_model

    shape = open_model(tiny_run).denoiser.image_shape
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    save_png(folder / "picture.png", noise)
    return folder


def solved(models, solver, name):
    out = models / f"{solver}-{name}"
    words = {"model": models / name, "image": models / "picture.png", "out": out}
    words |= {"operator": "random_mask:0.5", "count": 2, "steps": 4, "labels": "1"}
    main(["prog", solver, *(f"--{n}={v}" for n, v in words.items())])
    return out


@pytest.mark.parametrize("solver", ["red_diff", "ddnm", "repaint", "ilvr"])
@pytest.mark.parametrize("name", SETTINGS)
def test_solvers_without_derivatives_take_every_model(models, solver, name):
    assert (solved(models, solver, name) / "0001.png").is_file()


@pytest.mark.parametrize("solver", ["dps", "pigdm"])
@pytest.mark.parametrize("name", SETTINGS)
def test_models_with_derivatives_take_the_others_too(models, solver, name):
    # Rounding to one grid passes derivatives on; other runtimes give none.
    assert (solved(models, solver, name) / "0001.png").is_file()
