"""A training whose numbers are none any more is stopped, and says where it began."""

import json
from dataclasses import dataclass

import numpy as np
import pytest
import tensorflow as tf
from test_training_checkpoints import Toy, contents
from test_training_loss_scale import Tiny, batches

from pdm_tf.config import TrainingConfig
from pdm_tf.denoisers.objective import Loss
from pdm_tf.objectives.draws import draw
from pdm_tf.training.checkpoints import Checkpoints
from pdm_tf.training.coordination import Coordination
from pdm_tf.training.ema import MovingAverage
from pdm_tf.training.loss_scale import Guarded
from pdm_tf.training.metrics import no_metrics
from pdm_tf.training.optimizer import Adam
from pdm_tf.training.rates import LearningRate
from pdm_tf.training.reports import NullReporter
from pdm_tf.training.train_loop import run
from pdm_tf.training.train_step import Trainer
from pdm_tf.training.watchdog import Diverged, Watchdog


@dataclass(frozen=True, eq=False)
class Breaking:
    """The noisiest pictures of a step have no loss; later steps are sound again."""

    network: Tiny
    variables: dict
    step: tf.Variable
    bad_step: int
    terms = ("error",)
    buckets = 4
    draw = staticmethod(draw)

    def __call__(self, x, labels, draws):
        error = tf.reduce_mean(tf.square(self.network(x)), axis=[1, 2, 3])
        bucket = tf.cast(4.0 * draws.u, tf.int32)
        bad = (self.step.read_value() == self.bad_step) & (bucket == 3)
        error *= tf.where(bad, np.float32(np.nan), 1.0)
        return Loss(error, {"error": error}, bucket)


def training(run_dir, bad_step, scale=None, learning_rate=1e-2):
    network = Tiny("float32")
    named = {v.path: v.value for v in network.trainable_variables}
    adam = Adam(named, LearningRate(learning_rate, 2))
    step = tf.Variable(0, dtype=tf.int64)
    ema = MovingAverage(named, every=2)
    objective = Breaking(network, named, step, bad_step)
    strategy = tf.distribute.get_strategy()
    trainer = Trainer(strategy, objective, adam, ema, step, 4, 0, scale=scale)
    saved = Checkpoints(run_dir / "checkpoints", named, adam, ema, step, 3)
    return trainer, saved, named


def train(run_dir, bad_step=24, scale=None, reporter=None, **settings):
    settings = {"iterations": 60, "sample_every": 0, **settings}
    config = TrainingConfig(save_every=5, steps_per_call=10, **settings)
    rate = settings.get("learning_rate", 1e-2)
    trainer, saved, named = training(run_dir, bad_step, scale, rate)
    watchdog = Watchdog(config.watch_steps, named, saved)
    shown = reporter or NullReporter()
    parts = (saved, shown, watchdog, Coordination(trainer.strategy))
    return run(config, trainer, iter(batches(0, 60)), *parts), named


def test_a_run_gone_wrong_stops_and_says_where_it_began(tmp_path):
    with pytest.raises(Diverged) as stopped:
        train(tmp_path, watch_steps=12)
    said = str(stopped.value)
    assert "since step 25, stopped at 40" in said
    assert "SNR quartile 4 of 4" in said
    assert "the gradient of conv_in/kernel" in said
    assert "the weights of conv_in/kernel" in said
    assert "`learning_rate`" in said
    report = json.loads((tmp_path / "diagnostic" / "report.json").read_text())
    assert report["first_bad_step"] == 25
    assert report["first_bad_gradient"] == "conv_in/kernel"
    assert (tmp_path / "diagnostic" / "ckpt-40.index").exists()
    # No checkpoint without numbers has driven out a good one.
    good = {p.stem for p in (tmp_path / "checkpoints").glob("*.index")}
    assert good == {"ckpt-10", "ckpt-15", "ckpt-20"}
    trainer, saved, named = training(tmp_path, 24)
    assert saved.restore() and int(trainer.step) == 20
    assert all(np.isfinite(v.numpy()).all() for v in named.values())


def test_the_end_of_a_run_is_no_excuse(tmp_path):
    with pytest.raises(Diverged, match="since step 55, stopped at 60"):
        train(tmp_path, bad_step=54, watch_steps=100)


def test_a_step_left_out_is_no_reason_to_stop(tmp_path):
    ending, named = train(tmp_path, scale=Guarded(), watch_steps=5)
    assert ending
    assert all(np.isfinite(v.numpy()).all() for v in named.values())
    assert not (tmp_path / "diagnostic").exists()


def test_good_steps_in_between_begin_the_count_anew(tmp_path):
    toy = Toy(tmp_path)
    watchdog = Watchdog(5, toy.w, toy.saved)
    ten, three = tf.constant(10.0), tf.constant(3.0)
    good = no_metrics(training(tmp_path, 0)[0].objective)._replace(steps=ten)
    bad = good._replace(bad_steps=three)
    assert not watchdog.look(10, bad)
    assert not watchdog.look(20, good)
    assert not watchdog.look(30, bad)
    assert not watchdog.look(40, bad)
    assert watchdog.look(50, good._replace(bad_steps=ten))
    assert contents(tmp_path) == {}


class Drawing(NullReporter):
    """Notes the steps whose grids it is asked for."""

    def __init__(self):
        self.steps = []

    def show_samples(self, step, again=True):
        self.steps.append((step, again))


def test_the_last_step_is_always_drawn(tmp_path):
    drawing = Drawing()
    train(tmp_path, 99, reporter=drawing, iterations=17, sample_every=10)
    assert drawing.steps == [(10, True), (17, True)]
