"""Settings of a training that are not given fit its length; those given stay."""

from dataclasses import replace
from pathlib import Path

import pytest

from pdm_tf.config import TrainingConfig
from pdm_tf.config.fitting import fitted
from pdm_tf.doctor.averaging import judge_average
from pdm_tf.training.ema import start_left
from pdm_tf.training.expectations import foretell

CONFIGS = sorted((Path(__file__).resolve().parents[2] / "configs").glob("*.flags"))


@pytest.mark.parametrize("iterations", [1, 20, 300, 2000, 10_000, 100_000, 500_000])
def test_what_is_not_given_fits_the_length(iterations):
    training = TrainingConfig(iterations=iterations)
    assert training.warmup <= iterations / 50
    assert start_left(training, iterations) < 0.2
    if iterations >= 20:
        assert start_left(training, iterations) < 1e-3
        assert not [f for f in judge_average(training) if f.advice]
    if iterations > 1000:
        assert training.sample_every == min(max(iterations // 20, 100), 5000)


def test_long_trainings_have_the_papers_settings():
    training = TrainingConfig(iterations=300_000)
    assert (training.warmup, training.ema_every) == (5000, 100)
    assert training.learning_rate == 1e-4


def test_what_is_given_stays_whatever_the_length():
    given = TrainingConfig(iterations=50, warmup=7, ema_every=100, sample_every=0)
    assert (given.warmup, given.ema_every, given.sample_every) == (7, 100, 0)
    longer = replace(given, iterations=100_000)
    assert (longer.warmup, longer.ema_every, longer.sample_every) == (7, 100, 0)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_flagfiles_state_all_that_would_follow_from_the_length(path):
    stated = {line.split("=")[0][2:] for line in path.read_text().splitlines()}
    blocks = "depth" if "depth" in stated else "blocks_per_level"  # a transformer's
    assert {*fitted(1), "batch_size", "iterations", blocks} <= stated


def test_an_average_that_is_still_the_start_is_named():
    stale = TrainingConfig(iterations=50, ema_every=100)
    (error,) = [f.advice for f in judge_average(stale) if f.advice]
    assert "100% the start after 50 steps" in str(error)
    slow = TrainingConfig(iterations=1000, ema_warmup=False, ema_every=10, warmup=900)
    named = [f.advice.setting for f in judge_average(slow) if f.advice]
    assert named == ["ema_every", "warmup"]


def test_who_waits_is_told_when_there_is_something_to_see():
    training = TrainingConfig(iterations=10_000, batch_size=32, run_dir="runs/mine")
    said = foretell(training, 40, 0.5)
    assert "runs/mine/samples gets a grid of samples every 500 steps, in 4 min" in said
    assert "step 1,875 on, in 15 minutes" in said
    assert "all 10,000 steps are done in 83 minutes" in said
    assert "recognised" not in foretell(training, 5000, 0.5)
