"""A training that has gone wrong with finite numbers stops; nothing good is lost."""

import numpy as np
import pytest
import tensorflow as tf
from test_training_checkpoints import Toy, contents
from test_training_watchdog import train, training

from pdm_tf.errors import SettingError
from pdm_tf.training.history import LossHistory, WeightHistory
from pdm_tf.training.metrics import no_metrics
from pdm_tf.training.restarting import refuse_restart
from pdm_tf.training.watchdog import Diverged, Watchdog


def judged(losses, steps=10):
    """How many steps in a row each loss of a row was beyond all bounds."""
    history = LossHistory()
    found = []
    for call, loss in enumerate(losses):
        history.add((call + 1) * steps, steps, loss)
        found.append(history.beyond)
    return found, history


def test_a_loss_that_falls_and_jitters_is_nothing_unusual():
    rng = np.random.default_rng(0)
    losses = np.exp(rng.normal(0, 1, 500)) / (1 + np.arange(500))
    found, history = judged([0.6, *losses])
    assert not any(found) and history.words() == ""


def test_a_single_peak_is_forgiven_and_many_steps_are_counted():
    found, history = judged([1.0, 0.5, 0.4, 1e6, 0.4, 1e7, 1e8])
    assert found == [0, 0, 0, 10, 0, 10, 20]
    assert "the loss is 1e+08 since step 51" in history.words()


def test_a_loss_that_doubles_and_doubles_is_noticed():
    found, _ = judged([0.5, *(0.02 for _ in range(50)), *(0.02 * 2.0 ** np.arange(40))])
    assert found[50] == 0 and found[-1] > 100


def test_weights_that_grow_are_noticed_and_such_as_begin_at_0_are_not():
    zeros = {"a": tf.Variable(tf.zeros([100]))}
    history = WeightHistory(zeros)
    zeros["a"].assign(0.5 * tf.ones([100]))
    assert history.look() and not history.raised
    zeros["a"].assign(2.0 * tf.ones([100]))
    assert history.look() and history.raised
    zeros["a"].assign(1e30 * tf.ones([100]))
    assert not history.look() and "have grown to 1e+30" in history.words()
    zeros["a"].assign(np.nan * tf.ones([100]))
    assert not history.look() and history.broken() == "a"


def test_a_finite_blow_up_stops_and_nothing_of_it_is_saved(tmp_path):
    with pytest.raises(Diverged, match="the weights have grown to"):
        train(tmp_path, bad_step=99, learning_rate=1e3, iterations=20)
    assert not list((tmp_path / "checkpoints").glob("*.index"))
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "step_000010.png").touch()
    refuse_restart(tmp_path, 5)  # what went wrong all along may begin anew
    (tmp_path / "samples" / "step_000030.png").touch()
    with pytest.raises(SettingError, match="samples of step 30"):
        refuse_restart(tmp_path, 5)


def test_the_last_good_checkpoint_outlives_all_doubtful_ones(tmp_path):
    toy = Toy(tmp_path, keep=1)
    toy.train(2).saved.save()
    for _ in range(3):
        toy.train(1).saved.save(good=False)
    names = {p.stem for p in toy.directory.glob("*.index")}
    assert names == {"ckpt-2", "ckpt-5"}
    assert toy.saved.move_doubtful(tmp_path / "diagnostic") == ["ckpt-5"]
    assert {p.stem for p in toy.directory.glob("*.index")} == {"ckpt-2"}
    again = Toy(tmp_path)
    assert again.saved.restore() and int(again.step) == 2
    toy.train(1).saved.save()
    assert {p.stem for p in toy.directory.glob("*.index")} == {"ckpt-6"}


def test_nothing_is_saved_while_steps_are_skipped_even_by_a_falling_scale(tmp_path):
    toy = Toy(tmp_path)
    watchdog = Watchdog(20, toy.w, toy.saved)
    good = no_metrics(training(tmp_path, 0)[0].objective)._replace(steps=tf.ones([]))
    assert not watchdog.look(1, good) and watchdog.is_quiet()
    assert not watchdog.look(2, good._replace(skipped_steps=tf.ones([])))
    assert not watchdog.is_quiet() and watchdog.is_sound()
    assert not watchdog.look(3, good) and watchdog.is_quiet()
    assert contents(tmp_path) == {}
