"""Derived models: opened as they were made, on a base that is as it was."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tiny_runs import make_run, sampled
from toy_methods import METHODS, ScaleConfig, ShiftConfig, TrainConfig

from pdm_tf import assemble
from pdm_tf.assemble import deriving, lineage, models, training
from pdm_tf.data.images import to_uint8
from pdm_tf.errors import InputError, SettingError
from pdm_tf.training.train_loop import Ending


@pytest.fixture(autouse=True)
def toys(monkeypatch):
    for module in (deriving, models):
        monkeypatch.setattr(module, "open_method", METHODS.__getitem__)


@pytest.fixture
def base(tiny_run, tmp_path):
    return Path(shutil.copytree(tiny_run, tmp_path / "run"))


def derive(name, base, out, config):
    return assemble.derive(name, base, out, config, note=lambda line: None)


def entry_of(directory):
    return json.loads((directory / "model.json").read_text())


def test_a_derived_model_stores_what_it_adds_and_leaves_its_base(base, tmp_path):
    before = sampled(assemble.restore(base))
    assert derive("shift", base, tmp_path / "out", ShiftConfig(0.5))
    opened, entry = assemble.open_model(tmp_path / "out"), entry_of(tmp_path / "out")
    assert entry["weights"] == "weights.safetensors"
    assert entry["base"]["path"] == "../run"
    assert entry["settings"] == {"start": 0.5}
    assert opened.lineage == (entry,)
    (name,) = [n for n in opened.denoiser.variables if n.startswith("plan.")]
    np.testing.assert_array_equal(opened.denoiser.variables[name], 0.5)
    assert (tmp_path / "out" / "weights.safetensors").stat().st_size < 2000
    assert not np.array_equal(before, sampled(opened.denoiser))
    np.testing.assert_array_equal(before, sampled(assemble.restore(base)))
    with pytest.raises(InputError, match="another settings"):
        derive("shift", base, tmp_path / "out", ShiftConfig(0.25))
    assert entry_of(tmp_path / "out") == entry


def test_a_stack_is_its_parts_applied_and_is_exported_with_its_lineage(base, tmp_path):
    derive("shift", base, tmp_path / "a", ShiftConfig(0.1))
    derive("shift_codes", tmp_path / "a", tmp_path / "b", ShiftConfig(0.2))
    derive("scaled", tmp_path / "b", tmp_path / "c", ScaleConfig(0.5))
    derive("shift", base, tmp_path / "both", ShiftConfig(0.3))
    derive("scaled", tmp_path / "both", tmp_path / "once", ScaleConfig(0.5))
    opened = assemble.open_model(tmp_path / "c")
    assert [entry["method"] for entry in opened.lineage] == [
        *("shift", "shift_codes", "scaled")
    ]
    assert entry_of(tmp_path / "c")["weights"] is None
    pictures = sampled(opened.denoiser)
    once = sampled(assemble.restore(tmp_path / "once"))
    np.testing.assert_allclose(pictures, once, atol=1e-4)

    export = assemble.export_run(tmp_path / "c", samplers=["ddpm"])
    signatures = tf.saved_model.load(str(export)).signatures
    served = signatures["sample"](
        seeds=tf.range(3),
        labels=tf.range(3),
        steps=tf.constant(6),
        guidance=tf.constant(1.0),
    )["images"]
    off = np.abs(served.numpy().astype(int) - np.asarray(to_uint8(pictures)))
    assert off.max() <= 1 and (off > 0).mean() < 0.01
    config = json.loads(signatures["config"]()["config"].numpy())
    assert config["lineage"] == list(opened.lineage)


def test_what_may_not_stand_on_a_model_is_refused_in_one_line(base, tmp_path):
    derive("scaled", base, tmp_path / "cached", ScaleConfig())
    with pytest.raises(InputError, match="adapter or distilled, then quantized") as no:
        derive("shift", tmp_path / "cached", tmp_path / "out", ShiftConfig())
    assert "\n" not in str(no.value)
    assert not (tmp_path / "out").exists()


def test_a_derivation_killed_while_it_writes_goes_on(base, tmp_path, monkeypatch):
    out, write = tmp_path / "out", lineage.write

    def killed(directory, entry):
        raise KeyboardInterrupt

    monkeypatch.setattr(lineage, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        derive("shift", base, out, ShiftConfig(0.5))
    with pytest.raises(InputError, match="no config"):
        assemble.open_model(out)
    monkeypatch.setattr(lineage, "write", write)
    with pytest.raises(InputError, match="another settings"):
        derive("shift", base, out, ShiftConfig(0.25))
    assert derive("shift", base, out, ShiftConfig(0.5))
    assert {f.name for f in out.iterdir()} == {"model.json", "weights.safetensors"}


def test_settings_that_no_training_takes_are_refused_by_name(base, tmp_path):
    with pytest.raises(SettingError, match="iterations=0: at least 1") as refused:
        derive("trained", base, tmp_path / "out", TrainConfig(iterations=0))
    assert refused.value.setting == "iterations"
    assert not (tmp_path / "out").exists()


def test_an_export_is_no_base(base, tmp_path):
    assemble.export_run(base, samplers=["ddim"])
    with pytest.raises(SettingError, match="is an export"):
        derive("shift", base / "export", tmp_path / "out", ShiftConfig())


@pytest.mark.parametrize("changed", ["weights", "settings"])
def test_a_changed_base_is_refused(changed, base, tmp_path):
    derive("scaled", base, tmp_path / "a", ScaleConfig(0.5))
    derive("scaled", tmp_path / "a", tmp_path / "b", ScaleConfig(0.5))
    if changed == "settings":
        entry = entry_of(tmp_path / "a") | {"settings": {"factor": 0.25}}
        lineage.write(tmp_path / "a", entry)
    else:
        shutil.rmtree(base)
        make_run(base, 2, network={"num_classes": 10})
    with pytest.raises(InputError, match=r"other (weights or )?settings"):
        assemble.open_model(tmp_path / "b")


def test_added_weights_of_another_file_are_refused(base, tmp_path):
    derive("shift", base, tmp_path / "a", ShiftConfig(0.5))
    derive("shift", base, tmp_path / "b", ShiftConfig(0.25))
    name = "weights.safetensors"
    shutil.copyfile(tmp_path / "a" / name, tmp_path / "b" / name)
    with pytest.raises(InputError, match="SHA-256"):
        assemble.open_model(tmp_path / "b")


def test_a_model_moves_with_its_base_and_says_so_where_it_is_missing(base, tmp_path):
    out = tmp_path / "out"
    derive("shift", base, out, ShiftConfig(0.5))
    before = sampled(assemble.restore(out))
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    out.rename(moved / "out")
    with pytest.raises(InputError, match="move both together"):
        assemble.open_model(moved / "out")
    base.rename(moved / "run")
    np.testing.assert_array_equal(before, sampled(assemble.restore(moved / "out")))


def test_a_stopped_training_goes_on_by_the_same_command(base, tmp_path, monkeypatch):
    config = TrainConfig(iterations=6, batch_size=4, save_every=3, warmup=1)
    assert derive("trained", base, tmp_path / "straight", config)

    whole = training.run

    def stopped(settings, *others):
        half = deriving.replace(settings, iterations=3)
        assert whole(half, *others)
        return Ending.INTERRUPTED

    out = tmp_path / "stopped"
    with monkeypatch.context() as patched:
        patched.setattr(training, "run", stopped)
        assert derive("trained", base, out, config) is Ending.INTERRUPTED
    assert not (out / "model.json").exists()
    with pytest.raises(InputError, match="no config"):
        assemble.open_model(out)
    with pytest.raises(InputError, match="iterations 6 and not 7"):
        derive("trained", base, out, deriving.replace(config, iterations=7))
    assert derive("trained", base, out, config)
    resumed = assemble.open_model(out)
    straight = assemble.open_model(tmp_path / "straight")
    for name, variable in straight.denoiser.variables.items():
        np.testing.assert_array_equal(variable, resumed.denoiser.variables[name])
    assert resumed.settings.sampling.sample_guidance == 1.0
    assert assemble.settings_of(out) == resumed.settings
    assert resumed.settings.sampling.guidance_interval == (0.1, 2.0)
    (learned,) = [v for n, v in resumed.denoiser.variables.items() if "plan." in n]
    assert np.any(learned.numpy() != 0)


def test_a_model_that_is_made_of_itself_is_refused_in_one_line(base, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    assert derive("shift", base, first, ShiftConfig(0.1))
    assert derive("shift", first, second, ShiftConfig(0.1))
    entry = lineage.read(first)
    circle = entry | {"base": entry["base"] | {"path": "../second"}}
    lineage.write(first, circle)
    for opened in (models.open_model, models.settings_of, models.class_names_of):
        with pytest.raises(InputError, match="is made of itself") as refused:
            opened(second)
        assert "\n" not in str(refused.value)
