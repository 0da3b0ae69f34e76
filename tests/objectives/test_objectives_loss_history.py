"""Timesteps by their losses: chances, weights that leave the mean, exact resumption."""

import numpy as np
import pytest
import tensorflow as tf
from tiny_models import SHAPE, small_network
from tiny_runs import SMALL

from pdm_tf.assemble.state import build_state, build_trainer
from pdm_tf.config import Config, LearningConfig, TrainingConfig
from pdm_tf.denoisers import NetworkDenoiser
from pdm_tf.diffusion import NoiseSchedule
from pdm_tf.objectives import DenoisingObjective
from pdm_tf.objectives.loss_history import LossHistory

EVEN = (np.arange(20000, dtype=np.float32) + 0.5) / 20000


def filled(losses, kept=3):
    """A history in which each bin had one loss, always the same."""
    history = LossHistory(len(losses), kept)
    u = (np.arange(len(losses), dtype=np.float32) + 0.5) / len(losses)
    for _ in range(kept):
        history.note(*history.seen(tf.constant(u), tf.constant(losses, tf.float32)))
    return history


def test_chances_go_as_the_root_of_the_second_moment():
    losses = np.array([1.0, 2.0, 0.5, 4.5])
    got = filled(losses).chances().numpy()
    np.testing.assert_allclose(got, 0.999 * losses / losses.sum() + 0.00025, rtol=1e-5)


def test_draws_follow_the_chances_and_lie_evenly_within_bins():
    history = filled([1.0, 2.0, 0.5, 4.5])
    u = history.drawn(tf.constant(EVEN)).numpy()
    assert u.min() >= 0 and u.max() < 1
    shares = np.histogram(u, 4, (0, 1))[0] / len(u)
    np.testing.assert_allclose(shares, history.chances(), atol=2e-4)
    within = u[u >= 0.75] * 4 % 1
    np.testing.assert_allclose(np.histogram(within, 10)[0], len(within) / 10, rtol=0.02)


def test_weights_leave_the_mean_of_any_loss():
    history = filled([1.0, 2.0, 0.5, 4.5])
    u = history.drawn(tf.constant(EVEN))
    for loss in (lambda v: v, lambda v: np.cos(7 * v) + 3 * v**2):
        weighted = (history.weights(u).numpy() * loss(u.numpy())).mean()
        np.testing.assert_allclose(weighted, loss(EVEN).mean(), rtol=2e-3)


def test_where_chances_are_the_losses_weighted_losses_are_all_alike():
    """What the method is for: the least variance."""
    losses = np.array([1.0, 2.0, 0.5, 4.5])
    history = filled(losses)
    u = history.drawn(tf.constant(EVEN))
    weighted = history.weights(u).numpy() * losses[history.bin_of(u).numpy()]
    np.testing.assert_allclose(weighted, losses.mean(), rtol=0.005)


def test_until_every_bin_is_full_nothing_is_changed():
    history = LossHistory(4, 2)
    seen = history.seen(tf.constant([0.1, 0.4, 0.6]), tf.constant([9.0, 1.0, 2.0]))
    for _ in range(3):
        history.note(*seen)
    np.testing.assert_array_equal(history.drawn(tf.constant(EVEN)), EVEN)
    np.testing.assert_array_equal(history.weights(tf.constant(EVEN)), np.ones(20000))
    assert history.counts.numpy().tolist() == [2, 2, 2, 0]


def test_the_oldest_is_forgotten_and_what_is_not_finite_not_counted():
    history = LossHistory(2, 2)
    for loss in (1.0, 2.0, 3.0, np.nan, np.inf):
        history.note(*history.seen(tf.constant([0.1]), tf.constant([loss])))
    assert history.squares.numpy().tolist() == [[4.0, 9.0], [0.0, 0.0]]


def test_sums_of_replicas_are_those_of_all_examples():
    u, losses = tf.constant([0.1, 0.2, 0.9, 0.15]), tf.constant([1.0, 2.0, 3.0, 4.0])
    history = LossHistory(2, 2)
    whole = history.seen(u, losses)
    parts = [history.seen(u[i::2], losses[i::2]) for i in (0, 1)]
    for i in (0, 1):
        np.testing.assert_allclose(whole[i], parts[0][i] + parts[1][i])


def objective(history, network):
    denoise = NetworkDenoiser(network, NoiseSchedule.linear(), apart=False)
    variables = {v.path: v.value for v in network.trainable_variables}
    return DenoisingObjective(
        denoise, variables, "sqrt_snr", 0.0, (0, 999), history=history
    )


def test_an_empty_history_leaves_every_bit_of_the_loss():
    x = tf.random.stateless_uniform([4, *SHAPE], (1, 2), -1.0, 1.0)
    labels, step = tf.constant([0, 1, 2, 0]), tf.constant(3, tf.int64)
    network = small_network()
    plain, drawing = objective(None, network), objective(LossHistory(), network)
    wanted = plain(x, labels, plain.draw(0, step, 4))
    draws = drawing.draw(0, step, 4)
    got = drawing(x, labels, draws)
    np.testing.assert_array_equal(got.total, wanted.total)
    sums, numbers = drawing.seen(got, draws)
    np.testing.assert_allclose(np.sum(sums), np.sum(got.total.numpy() ** 2), rtol=1e-5)
    assert np.sum(numbers) == 4


def state(place, by="loss"):
    config = Config(
        network=SMALL,
        learning=LearningConfig(timesteps_by=by),
        training=TrainingConfig(run_dir=str(place), batch_size=4, warmup=1),
    )
    strategy = tf.distribute.get_strategy()
    made = build_state(config, strategy)
    return made, build_trainer(config, strategy, made)


@pytest.mark.parametrize("by", ["loss", pytest.param("share", marks=pytest.mark.slow)])
def test_a_resumed_training_draws_and_learns_to_the_bit(by, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "pdm_tf.assemble.building.LossHistory", lambda: LossHistory(2, 1)
    )

    def batches(first, count):
        rng = np.random.default_rng(0)
        x = rng.integers(0, 256, (8, 4, 8, 8, 1), np.uint8)[first : first + count]
        rows = tf.data.Dataset.from_tensor_slices((x, np.zeros([count, 4], np.int32)))
        return iter(rows)

    made, trainer = state(tmp_path / "once", by)
    trainer.run_steps(batches(0, 4), 4)
    made.checkpoints.save()
    trainer.run_steps(batches(4, 4), 4)
    again, trainer = state(tmp_path / "once", by)
    assert again.checkpoints.restore()
    trainer.run_steps(batches(4, 4), 4)
    for name, value in made.objective.variables.items():
        np.testing.assert_array_equal(value, again.objective.variables[name])
    held, other = made.objective.unlearnt, again.objective.unlearnt
    assert bool(held) == (by == "loss")
    for name, value in held.items():
        np.testing.assert_array_equal(value, other[name])
    if held:
        assert held["loss_counts"].numpy().tolist() == [1, 1]
