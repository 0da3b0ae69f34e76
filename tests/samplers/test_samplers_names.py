"""Samplers by name, and the defaults that every command takes from one home."""

import ast
from pathlib import Path

import pytest

import pdm_tf
from pdm_tf.config import SamplingConfig, sampling
from pdm_tf.errors import SettingError
from pdm_tf.samplers import DDPM, SAMPLERS, open_sampler, open_samplers
from pdm_tf.samplers.linear_heun import LinearHeun

CONFIG = Path(pdm_tf.__file__).parent / "config"


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_name_opens_its_sampler(name):
    assert open_sampler(name) == SAMPLERS[name]()
    assert open_samplers([name, name], "small").keys() == {name}


@pytest.mark.parametrize("variance", ["learned", "large", "small"])
def test_the_variance_is_that_of_ddpm(variance):
    assert open_sampler("ddpm", variance) == DDPM(variance)
    assert open_samplers(["ddim", "ddpm"], variance)["ddpm"] == DDPM(variance)


def test_the_sampler_of_the_straight_way_has_the_scale_of_its_process():
    assert open_sampler("linear_heun", noise_scale=2.0) == LinearHeun(2.0)
    opened = open_samplers(["ddim", "linear_heun"], "small", 2.0)
    assert opened["linear_heun"] == LinearHeun(2.0)


def test_an_unknown_name_is_about_the_setting_that_gave_it():
    with pytest.raises(SettingError, match=r"^sample_sampler=best: choose from ddpm"):
        open_sampler("best", setting="sample_sampler")
    with pytest.raises(SettingError, match=r"^sampler=best: "):
        open_samplers(["ddim", "best"], "large")
    with pytest.raises(SettingError, match=r"^sampler: is empty"):
        open_samplers([], "large")


def test_every_default_is_on_the_shelf():
    given = [d for d in vars(sampling).values() if isinstance(d, tuple)]
    names = {name for d in given for name in (d if d is sampling.EXPORTED else d[:1])}
    assert names and names <= set(SAMPLERS)
    assert SamplingConfig.sample_sampler in names


def defaults(path):
    """Names of fields and the literal that each has as its default, if any."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.AnnAssign(ast.Name(name), value=ast.Call(args=[given, *_])):
                literal = isinstance(given, ast.Constant)
                yield name, given.value if literal else None


@pytest.mark.parametrize("path", CONFIG.glob("*.py"), ids=lambda path: path.stem)
def test_no_other_home_has_a_default_sampler(path):
    # Of another kind: not what a picture is drawn with.
    counts = {"measure_steps", "watch_steps", "calibration_steps", "trajectory_steps"}
    counts |= {"calibrated_steps", "sensitivity_steps", "solver_steps"}
    counts |= {"max_steps"}  # a bound
    for name, default in defaults(path):
        last = name.rpartition("_")[2]
        if last in ("sampler", "steps", "guidance") and name not in counts:
            assert not default, f"{name} belongs to config/sampling.py"
