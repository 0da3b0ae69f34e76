"""A model is known by its weights and what they mean, however it is named or kept."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from tiny_runs import SMALL, make_run

from pdm_tf import assemble, flags
from pdm_tf.assemble.generators import generator_of
from pdm_tf.config import Config, InputError
from pdm_tf.config.sealing import (
    LATER,
    fixed_settings,
    known_by,
    list_changes,
    sealed_settings,
)
from pdm_tf.denoisers.identity import digest_model
from pdm_tf.serving import SavedModelGenerator
from pdm_tf.training import checkpoint_files


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("identity") / "run", 1)


@pytest.fixture(scope="module")
def digest(run):
    return assemble.open_model(run).digest


def test_a_copy_is_the_same_model_and_its_checkpoint_knows_it(run, digest, tmp_path):
    shutil.copytree(run, tmp_path / "elsewhere")
    opened = assemble.open_model(tmp_path / "elsewhere")
    assert opened.digest == digest == generator_of(opened).description["digest"]
    manifest = checkpoint_files.find_newest(run / "checkpoints").manifest
    assert manifest["digest"] == digest
    assert manifest["sealed"] == sealed_settings(opened.settings)


def test_every_export_has_the_digest_of_its_model(run, digest, tmp_path):
    def exported(name, **changes):
        where = assemble.export_run(run, tmp_path / name, ["ddim"], **changes)
        return SavedModelGenerator("model", str(where)).description["digest"]

    assert exported("one") == digest
    assert exported("two", thresholding="none") != digest


def change_record(run, out, old, new):
    shutil.copytree(run, out)
    record = out / "config.flags"
    assert f"--{old}\n" in record.read_text()
    (config,) = flags.parse(["", f"--flagfile={record}", f"--{new}"], Config)
    record.write_text(flags.to_record(config, "as somebody sealed it again"))
    return out


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("prediction=x", "prediction=v", "prediction x → v"),
        ("timesteps=1000", "timesteps=500", "timesteps 1000 → 500"),
        ("beta_end=0.02", "beta_end=0.03", "beta_end 0.02 → 0.03"),
        ("thresholding=dynamic", "thresholding=none", "thresholding dynamic → none"),
        ("image_shape=8,8,1", "image_shape=16,16,1", "image_shape 8,8,1 → 16,16,1"),
    ],
)
def test_a_record_that_says_another_meaning_is_refused(run, tmp_path, old, new, said):
    changed = change_record(run, tmp_path / "run", old, new)
    with pytest.raises(InputError, match=said):
        assemble.open_model(changed)


def test_a_run_of_before_is_known_by_what_it_holds(run, digest, tmp_path):
    old = tmp_path / "old"
    shutil.copytree(run, old)
    for file in (old / "checkpoints").glob("*.json"):
        manifest = json.loads(file.read_text())
        kept = {k: v for k, v in manifest.items() if k not in ("sealed", "digest")}
        file.write_text(json.dumps(kept | {"format": 1}))
    assert assemble.open_model(old).digest == digest


def test_a_split_is_known_by_its_parts(tmp_path):
    parts = [
        make_run(tmp_path / "a", 1, snr_low=0.25),
        make_run(tmp_path / "b", 2, snr_high=0.25),
    ]
    out = tmp_path / "split"
    manifest = assemble.join_runs([str(part) for part in parts], out)
    digest = assemble.open_model(out).digest
    listed = json.loads(manifest.read_text())
    for part, entry in zip(parts, listed["parts"], strict=True):
        assert entry["digest"] == assemble.open_model(part).digest
    shutil.rmtree(parts[0])
    make_run(parts[0], 1, snr_low=0.25, diffusion={"prediction": "v"})
    with pytest.raises(InputError, match="or other settings"):
        assemble.open_model(out)
    del listed["seal"]
    for entry in listed["parts"]:
        entry["digest"] = ""  # as an older version wrote it: of its weights alone
    manifest.write_text(json.dumps(listed))
    assert assemble.open_model(out).digest != digest


def test_what_means_the_same_is_the_same():
    written = replace(SMALL, blocks_per_level=(1,), channel_multipliers=(1,))
    assert sealed_settings(written) == sealed_settings(SMALL)
    assert list_changes({"width": 32}, {"width": 48}) == ["width 32 → 48"]
    assert list_changes({"width": 32}, {}, ["seed"]) == []


def test_seals_are_on_what_weights_mean_and_on_nothing_that_may_change():
    sealed = sealed_settings(Config())
    free = {"iterations", "learning_rate", "save_every", "run_dir", "export"}
    assert not free & sealed.keys()
    assert "precision" in sealed and "precision" not in fixed_settings(sealed)
    assert {"prediction", "weighting", "seed"} <= fixed_settings(sealed).keys()


def test_a_digest_stays_what_it_is_and_every_setting_counts():
    # Another digest here would make every derived model of before refuse its base. A
    # sealed setting that is new gets a line in LATER, and leaves this as it is.
    weights = {"w": tf.Variable(np.arange(3, dtype=np.float32))}
    assert digest_model(weights, {"width": 32}) == PINNED
    sealed = sealed_settings(Config())
    assert sorted(sealed.keys() - LATER.keys()) == SEALED.split()
    others = [digest_model(weights, {**sealed, name: "other"}) for name in sealed]
    lineage = [{"method": "a", "settings": {}}]
    others += [digest_model(weights, sealed), digest_model(weights, sealed, lineage)]
    assert len(set(others)) == len(sealed) + 2
    assert known_by({**LATER, "width": 32}) == {"width": 32}


PINNED = "e4340f86939d8a0f2aafa647611431069dda4370791baac92f4e4cd650470689"
SEALED = """
attention_levels attention_resolutions beta_end blocks_per_level channel_multipliers
class_gate guidance_interval image_shape num_classes patch_size percentile precision
prediction seed snr_high snr_low thresholding timesteps variance weighting width
"""
