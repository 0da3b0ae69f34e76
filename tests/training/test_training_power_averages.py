"""Averages by length: their closed forms, and others made of them afterwards."""

import numpy as np
import pytest
import tensorflow as tf
from test_training_checkpoints import Toy

from pdm_tf.config import AveragingConfig, InputError
from pdm_tf.training.averages import load_further
from pdm_tf.training.checkpoints import Checkpoints
from pdm_tf.training.further_averages import FurtherAverages
from pdm_tf.training.power_averages import (
    Averaged,
    PowerAverage,
    combine,
    exponent_of,
    length_of,
    profile,
)
from pdm_tf.training.snapshots import find_snapshots, reconstruct, write_snapshots

STEPS, EVERY = 320, 2
LENGTHS = (0.05, 0.1)


@pytest.mark.parametrize(("length", "exponent"), [(0.05, 16.97), (0.1, 6.94)])
def test_exponents_are_those_of_the_paper(length, exponent):
    assert exponent_of(length) == pytest.approx(exponent, abs=0.005)
    assert length_of(exponent_of(length)) == pytest.approx(length)


@pytest.mark.parametrize("length", [0.02, 0.1, 0.25])
def test_a_length_is_the_standard_deviation_of_its_profile(length):
    weights = profile(Averaged(20_000, length), 20_000)
    time = (np.arange(20_000) + 0.5) / 20_000
    mean = np.sum(weights * time)
    assert weights.sum() == pytest.approx(1)
    spread = np.sqrt(np.sum(weights * (time - mean) ** 2))
    assert spread == pytest.approx(length, rel=1e-4)


def test_an_average_counts_each_update_as_its_profile_says():
    values = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    w = tf.Variable(tf.fill([3], 100.0))  # a start that must not be in it
    average = PowerAverage({"w": w}, 0.1, every=2)
    for step in range(1, 121):
        w.assign(values[(step - 1) // 2])
        average.update(tf.constant(step, tf.int64))
    expected = profile(Averaged(60, 0.1), 60) @ values
    np.testing.assert_allclose(average.weights["w"], expected, atol=2e-6)


def test_late_updates_are_taken_in_to_single_precision():
    average = PowerAverage({"w": tf.Variable(0.0)}, 0.1, every=1)
    n = 500_000
    expected = -np.expm1((average.exponent + 1) * np.log1p(-1 / n))
    found = float(average.taken(tf.constant(n, tf.float32)))
    assert found == pytest.approx(expected, rel=1e-5)


def test_an_average_that_is_kept_is_found_again():
    kept = [Averaged(n, length) for n in (40, 80) for length in LENGTHS]
    factors = combine(kept, Averaged(80, 0.1))
    np.testing.assert_allclose(factors, [0, 0, 0, 1], atol=1e-9)


class Averages(Toy):
    """A toy with further averages."""

    def __init__(self, run_dir, **averaging):
        super().__init__(run_dir)
        self.run_dir = run_dir
        settings = AveragingConfig(**averaging)
        self.further = FurtherAverages(self.w, settings, EVERY, True)
        parts = self.w, self.adam, self.ema, self.step
        self.saved = Checkpoints(self.directory, *parts, 3, further=self.further)

    def train(self, steps):
        for _ in range(steps):
            super().train(1)
            self.further.update(self.step)
            if int(self.step) % 20 == 0:
                write_snapshots(self.run_dir, self.further.by_length, int(self.step))
        return self

    def averages(self):
        return [v.numpy() for v in self.further.variables]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A toy whose averages of the lengths below are tracked, two of them to keep."""
    run_dir = tmp_path_factory.mktemp("averages")
    return Averages(run_dir, ema_lengths=(*LENGTHS, 0.07, 0.15)).train(STEPS)


@pytest.mark.parametrize("length", [0.05, 0.07, 0.1, 0.15])
def test_an_average_of_another_length_is_that_which_was_tracked(trained, length):
    kept = find_snapshots(trained.run_dir)
    assert len(kept) == 4 * STEPS // 20
    kept = [one for one in kept if one.averaged.length in LENGTHS]
    tracked = trained.further.by_length[f"{length:g}"].weights
    for name, found in reconstruct(kept, length):
        wanted = tracked[name].numpy()
        assert np.linalg.norm(found - wanted) <= 1e-3 * np.linalg.norm(wanted)


def test_an_average_ends_where_it_is_asked_to(trained):
    kept = find_snapshots(trained.run_dir)
    (early,) = [x for n, x in reconstruct(kept, 0.1, 100) if n == "unet/w"]
    path = trained.run_dir / "averages" / "step_000100_length_0.1.safetensors"
    (stored,) = [one for one in kept if one.path == path]
    (exact,) = [x for n, x in reconstruct([stored], 0.1) if n == "unet/w"]
    np.testing.assert_allclose(early, exact, atol=1e-6)
    with pytest.raises(InputError, match="at_step=101: choose from 20, 40, "):
        list(reconstruct(kept, 0.1, 101))
    with pytest.raises(InputError, match="no snapshots"):
        find_snapshots(trained.run_dir / "nowhere")


def test_a_resumed_training_keeps_all_averages_bit_for_bit(tmp_path):
    given = {"ema_decays": (0.9, 0.999), "ema_lengths": (0.1,)}
    Averages(tmp_path / "a", **given).train(30).saved.save()
    again = Averages(tmp_path / "a", **given)
    assert again.saved.restore()
    again.train(30).saved.save()
    whole = Averages(tmp_path / "b", **given).train(60)
    for found, wanted in zip(again.averages(), whole.averages(), strict=True):
        np.testing.assert_array_equal(found, wanted)
    variables = {n: tf.Variable(tf.zeros_like(v)) for n, v in whole.w.items()}
    assert load_further(again.directory, variables, 0.999) == 60
    wanted = whole.further.by_decay["0.999"].weights
    for name, variable in variables.items():
        np.testing.assert_array_equal(variable, wanted[name])
    with pytest.raises(InputError, match=r"decay=0\.5: the run has 0\.9, 0\.999"):
        load_further(again.directory, variables, 0.5)


def test_averages_that_would_begin_in_the_middle_are_refused(tmp_path):
    Averages(tmp_path, ema_lengths=(0.1,)).train(4).saved.save()
    for other in ({}, {"ema_lengths": (0.1, 0.2)}, {"ema_decays": (0.9,)}):
        with pytest.raises(InputError, match="leave it as it was"):
            Averages(tmp_path, **other).saved.restore()
