"""A run goes on as its record says, or not at all; never anew over its traces."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tiny_runs import make_run

from pdm_tf import flags
from pdm_tf.assemble.resuming import check_record, kept_settings
from pdm_tf.assemble.runs import RECORD, read_settings, write_settings
from pdm_tf.assemble.state import build_state
from pdm_tf.config import Config
from pdm_tf.errors import InputError, SettingError
from pdm_tf.training.checkpoint_files import (
    SAVING,
    CheckpointFile,
    examine,
    find_newest,
)
from pdm_tf.training.restarting import refuse_restart

GRIM = "a[1]* \\ ~?"  # a name that means something else to TensorFlow
CHANGES = {
    "prediction": ("diffusion", "v", "x → v"),
    "timesteps": ("diffusion", 500, "1000 → 500"),
    "beta_end": ("diffusion", 0.03, "0.02 → 0.03"),
    "weighting": ("diffusion", "uniform", "sqrt_snr → uniform"),
    "image_shape": ("network", (16, 16, 1), "8,8,1 → 16,16,1"),
    "class_gate": ("network", False, "true → false"),
    "seed": ("training", 7, "1 → 7"),
    "snr_high": ("training", 0.5, "0 → 0.5"),
    "thresholding": ("sampling", "static", "dynamic → static"),
}


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A run; only read."""
    return make_run(tmp_path_factory.mktemp("kept") / "run", 1, iterations=300)


@pytest.fixture
def run(kept, tmp_path):
    return Path(shutil.copytree(kept, tmp_path / "run"))


def changed(config, room, **settings):
    return replace(config, **{room: replace(getattr(config, room), **settings)})


@pytest.mark.parametrize("name", CHANGES)
def test_what_weights_mean_is_refused_to_change_and_named(kept, name):
    room, value, words = CHANGES[name]
    config = changed(read_settings(kept), room, **{name: value})
    with pytest.raises(SettingError) as refused:
        check_record(config)
    assert f"{name} {words}" in str(refused.value).replace(".0 →", " →")


def test_what_may_change_is_named_and_the_rest_is_no_news(kept):
    config = read_settings(kept)
    assert check_record(config) == []
    config = changed(config, "training", iterations=400, learning_rate=0.5, remat=True)
    assert check_record(config) == ["iterations 300 → 400", "learning_rate 0.001 → 0.5"]


def test_what_is_not_given_again_stays_as_it_was(run):
    own = changed(read_settings(run), "diffusion", prediction="v", timesteps=500)
    own = changed(own, "training", learning_rate=0.02)
    write_settings(own)
    again = changed(Config(), "training", run_dir=str(run), iterations=400)
    found, said = kept_settings(again, {"run_dir", "iterations"})
    assert found == changed(own, "training", iterations=400)
    assert {"prediction=v", "timesteps=500", "image_shape=8,8,1"} <= set(said)
    assert not any("rate" in word for word in said)  # would follow from the iterations


def test_a_record_is_not_written_again_for_nothing(run):
    write_settings(read_settings(run))  # it was moved
    before = (run / RECORD).stat()
    write_settings(read_settings(run))
    assert (run / RECORD).stat().st_mtime_ns == before.st_mtime_ns


def test_a_record_cut_short_anywhere_is_refused(run):
    text = (run / RECORD).read_text()
    for length in range(0, len(text) - 1, 7):
        (run / RECORD).write_text(text[:length])
        with pytest.raises(InputError):
            read_settings(run)
        with pytest.raises(InputError):
            flags.parse(["", f"--flagfile={run / RECORD}"], Config)
    (run / RECORD).write_text(text.replace("--seed=1\n", "--seed=2\n"))
    with pytest.raises(InputError, match="changed or cut short"):
        read_settings(run)


def test_the_record_of_a_copy_continues_the_copy(run, tmp_path):
    moved = run.rename(tmp_path / GRIM)
    (config,) = flags.parse(["", f"--flagfile={moved / RECORD}"], Config)
    assert config.training.run_dir == str(moved)
    state = build_state(config, tf.distribute.get_strategy())
    assert state.checkpoints.restore()
    assert np.any(next(iter(state.average.weights.values())).numpy() != 0)
    state.step.assign(5)
    state.checkpoints.save()
    found = find_newest(moved / "checkpoints")
    assert found and found.number == 5


def test_a_home_is_found():
    training = replace(Config().training, run_dir="~/runs/a", init_from="~")
    assert training.run_dir == str(Path.home() / "runs" / "a")
    assert training.init_from == str(Path.home())


def damaged(run):
    """All its checkpoints, and the manifest is gone."""
    (run / "checkpoints" / "manifest.json").unlink()
    for path in (run / "checkpoints").glob("ckpt-*.data*"):
        path.write_bytes(path.read_bytes()[:50])


def test_damage_to_all_is_no_reason_to_begin_anew(run):
    damaged(run)
    with pytest.raises(SettingError, match="no checkpoint is whole: ckpt-0 is damaged"):
        find_newest(run / "checkpoints")
    for path in (run / "checkpoints").glob("ckpt-*"):
        path.unlink()
    assert find_newest(run / "checkpoints") is None
    refuse_restart(run, 10)  # nothing that a save leaves is there
    (run / "samples").mkdir()
    (run / "samples" / "step_000009.png").touch()
    refuse_restart(run, 10)  # drawn before the first save
    (run / "samples" / "step_000010.png").touch()
    with pytest.raises(SettingError, match="holds samples of step 10, and no check"):
        refuse_restart(run, 10)


def test_curves_and_manifests_tell_of_a_run_too(tmp_path):
    writer = tf.summary.create_file_writer(str(tmp_path / "logs"))
    with writer.as_default(step=20):
        tf.summary.scalar("loss", 1.0)
    writer.close()
    refuse_restart(tmp_path, 21)
    with pytest.raises(SettingError, match="curves up to step 20"):
        refuse_restart(tmp_path, 20)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "manifest.json").touch()
    with pytest.raises(SettingError, match=r"checkpoints/manifest\.json"):
        refuse_restart(tmp_path, 100)


def test_a_first_checkpoint_that_was_cut_off_may_be_written_again(run):
    checkpoints = run / "checkpoints"
    (checkpoints / "manifest.json").unlink()
    (checkpoints / "ckpt-0.index").unlink()
    (checkpoints / SAVING).mkdir()
    assert find_newest(checkpoints) is None
    refuse_restart(run, 10)
    (checkpoints / SAVING).rmdir()
    with pytest.raises(SettingError, match="no checkpoint is whole"):
        find_newest(checkpoints)


def test_a_reader_beside_a_trainer_takes_what_the_trainer_has_left(run, monkeypatch):
    checkpoints, seen = run / "checkpoints", []

    def meanwhile(directory, number):
        if not seen:  # between the look at the folder and the look at the file
            for path in checkpoints.glob("ckpt-0.*"):
                path.rename(path.with_name(path.name.replace("ckpt-0", "ckpt-1")))
        seen.append(number)
        if number == 0:
            return examine(directory, 0)
        return CheckpointFile(number, "", {})

    monkeypatch.setattr("pdm_tf.training.checkpoint_files.examine", meanwhile)
    assert find_newest(checkpoints).number == 1
    assert seen == [0, 1]


def test_an_older_checkpoint_is_fallen_back_to_aloud(run, capsys):
    state = build_state(read_settings(run), tf.distribute.get_strategy())
    state.step.assign(5)
    state.checkpoints.save()
    (run / "checkpoints" / "ckpt-5.index").write_bytes(b"nothing")
    assert find_newest(run / "checkpoints").number == 0
    said = capsys.readouterr().err
    assert "warning: " in said and "falls back to step 0" in said
    assert "ckpt-5.index differs from its checksum" in said
