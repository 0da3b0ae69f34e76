"""Learning rates against their closed forms; a resumed training is exact under each."""

import numpy as np
import pytest
import tensorflow as tf
from test_training_checkpoints import Toy

from pdm_tf.config import LearningConfig, TrainingConfig
from pdm_tf.training.rates import LearningRate, open_rate

PEAK, WARMUP, ITERATIONS, END, REFERENCE = 0.5, 10, 110, 0.2, 25
STEPS = np.array([0, 4, 9, 10, 24, 25, 60, 99, 100, 109, 110, 500])
DONE = np.clip((STEPS - WARMUP) / (ITERATIONS - WARMUP), 0, 1)
SHARES = {
    "constant": np.ones(len(STEPS)),
    "cosine": END + (1 - END) * np.cos(np.pi * DONE / 2) ** 2,
    "linear": 1 - DONE + END * DONE,
    "inverse_sqrt": np.sqrt(REFERENCE / np.maximum(STEPS, REFERENCE)),
}


def rate_of(name, **learning):
    training = TrainingConfig(iterations=ITERATIONS, learning_rate=PEAK, warmup=WARMUP)
    return open_rate(training, LearningConfig(rate_decay=name, **learning))


@pytest.mark.parametrize("name", SHARES)
def test_a_rate_has_its_closed_form(name):
    rate = rate_of(name, rate_end=END, rate_reference=REFERENCE)
    found = [float(rate(tf.constant(step, tf.int64))) for step in STEPS]
    risen = np.minimum((STEPS + 1) / WARMUP, 1)
    np.testing.assert_allclose(found, PEAK * risen * SHARES[name], rtol=2e-6)


@pytest.mark.parametrize("name", ["cosine", "linear"])
def test_what_falls_to_the_end_falls_always_and_ends_with_nothing(name):
    rate = rate_of(name)
    found = [float(rate(tf.constant(step))) for step in range(WARMUP, ITERATIONS + 1)]
    assert np.all(np.diff(found) < 0) and found[-1] < 1e-7


def test_a_reference_that_is_not_given_is_a_tenth():
    rate = rate_of("inverse_sqrt")
    found = [float(rate(tf.constant(step))) for step in (11, 44)]
    np.testing.assert_allclose(found, [PEAK, PEAK / 2], rtol=1e-6)


def test_a_warmup_longer_than_the_training_is_no_division_by_zero():
    training = TrainingConfig(iterations=5, learning_rate=1.0, warmup=20)
    rate = open_rate(training, LearningConfig(rate_decay="cosine"))
    assert np.isfinite(float(rate(tf.constant(4))))


@pytest.mark.parametrize("name", SHARES)
def test_a_resumed_training_goes_on_bit_for_bit_under_each(name, tmp_path):
    def toy(place):
        return Toy(tmp_path / place, rate=rate_of(name))

    toy("run").train(30).saved.save()
    again = toy("run")
    assert again.saved.restore()
    whole = toy("other").train(60)
    np.testing.assert_array_equal(again.train(30).numbers(), whole.numbers())
    plain = Toy(tmp_path / "plain", rate=LearningRate(PEAK, WARMUP)).train(60)
    assert np.any(plain.numbers() != whole.numbers()) == (name != "constant")
