"""Splits as artefacts: checked for gaps, restored like runs, equal to their parts."""

import json
import math
import shutil
from dataclasses import replace

import keras
import numpy as np
import pytest
from tiny_runs import SMALL, make_run, sampled

import pdm_tf as pdm
from pdm_tf import assemble
from pdm_tf.assemble import splits
from pdm_tf.assemble.training import build_state, t_range
from pdm_tf.config import Config, InputError, TrainingConfig


@pytest.fixture
def low(tmp_path):
    return make_run(tmp_path / "low", 1, snr_low=0.25)


@pytest.fixture
def high(tmp_path):
    return make_run(tmp_path / "high", 2, snr_high=0.25, network={"patch_size": 4})


def pictures_of(run_dir):
    return sampled(pdm.restore(run_dir))


def test_a_split_of_a_run_with_itself_gives_the_same_pictures(tmp_path):
    run_dir = make_run(tmp_path / "run", 1)
    ends = [(0.25, math.inf), (0, 0.25)]
    parts = [splits.Part(str(run_dir), *end) for end in ends]
    splits.write(tmp_path / "both", parts)
    np.testing.assert_array_equal(pictures_of(run_dir), pictures_of(tmp_path / "both"))


@pytest.mark.parametrize(("snr", "part"), [(1e-9, 0), (1e9, 1)])
def test_a_split_at_an_end_is_its_part(tmp_path, snr, part):
    runs = [make_run(tmp_path / "a", 1), make_run(tmp_path / "b", 2)]
    parts = [
        splits.Part(str(runs[0]), snr, math.inf),
        splits.Part(str(runs[1]), 0, snr),
    ]
    splits.write(tmp_path / "both", parts)
    np.testing.assert_array_equal(
        pictures_of(runs[part]), pictures_of(tmp_path / "both")
    )


def test_parts_know_their_ranges_and_may_differ_in_patch_size(tmp_path, low, high):
    manifest = assemble.join_runs([str(high), str(low)], tmp_path / "both")
    listed = json.loads(manifest.read_text())["parts"]
    assert [part["run_dir"] for part in listed] == ["../low", "../high"]
    assert [part["snr_low"] for part in listed] == [0.25, 0]
    denoise = pdm.restore(tmp_path / "both")
    assert np.all(np.isfinite(sampled(denoise)))
    level = denoise.schedule.level(100)
    z = np.random.default_rng(0).normal(size=(2, 8, 8, 1)).astype("f4")
    np.testing.assert_array_equal(denoise(z, level).x, pdm.restore(low)(z, level).x)


def test_a_part_with_other_weights_is_refused(tmp_path, low, high):
    assemble.join_runs([str(high), str(low)], tmp_path / "both")
    shutil.rmtree(low)
    make_run(low, 3, snr_low=0.25)
    with pytest.raises(InputError, match="has other weights than were joined"):
        pdm.restore(tmp_path / "both")


@pytest.mark.slow  # tests/export draws from a split in the quick set
def test_an_exported_split_equals_the_python_path(tmp_path, low, high):
    import tensorflow as tf

    from pdm_tf.data.images import to_uint8

    assemble.join_runs([str(low), str(high)], tmp_path / "both")
    directory = assemble.export_run(tmp_path / "both")
    served = tf.saved_model.load(str(directory)).signatures["sample"](
        seeds=tf.range(3),
        labels=tf.zeros([3], tf.int32),
        steps=tf.constant(6),
        guidance=tf.constant(1.0),
    )["images"]
    np.testing.assert_array_equal(served, to_uint8(pictures_of(tmp_path / "both")))


@pytest.mark.parametrize(
    ("ranges", "word"),
    [
        ([(0.5, math.inf), (0, 0.25)], "gap"),
        ([(0.25, math.inf), (0, 0.5)], "overlap"),
        ([(0.25, math.inf)], "SNR 0 to infinity"),
        ([(0, 0.25)], "SNR 0 to infinity"),
    ],
)
def test_gaps_and_overlaps_are_refused(tmp_path, ranges, word):
    parts = [splits.Part(f"run{i}", *ends) for i, ends in enumerate(ranges)]
    with pytest.raises(InputError, match=word):
        splits.write(tmp_path / "both", parts)
    assert not (tmp_path / "both").exists()


def test_parts_of_another_picture_shape_are_refused(tmp_path, low):
    other = make_run(
        tmp_path / "other", 3, snr_high=0.25, network={"image_shape": (16, 16, 1)}
    )
    with pytest.raises(InputError, match="image_shape"):
        assemble.join_runs([str(low), str(other)], tmp_path / "both")
    assert not (tmp_path / "both").exists()


def test_ranges_of_a_split_leave_no_timestep_untrained():
    def ends(**training):
        return t_range(Config(training=TrainingConfig(**training)))

    assert ends() == (0, 999)
    assert ends(snr_low=0.25) == (0, 395)
    assert ends(snr_high=0.25) == (396, 999)
    with pytest.raises(InputError, match="snr_low"):
        ends(snr_low=1e9)


def test_a_warm_start_copies_the_averaged_weights_and_leaves_its_source(tmp_path, low):
    before = {p: p.read_bytes() for p in low.rglob("*") if p.is_file()}
    import tensorflow as tf

    def state(**network):
        training = TrainingConfig(run_dir=str(tmp_path / "new"), init_from=str(low))
        config = Config(network=replace(SMALL, **network), training=training)
        return build_state(config, tf.distribute.get_strategy())

    keras.utils.set_random_seed(5)
    source = pdm.restore(low).network.trainable_variables
    made = state().denoiser.network.trainable_variables
    for a, b in zip(source, made, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    with pytest.raises(InputError, match=r"unet/\S+ saved \[.*\], built \["):
        state(width=16)
    assert before == {p: p.read_bytes() for p in low.rglob("*") if p.is_file()}
