"""Metrics while a run trains: what is written, kept, and ends it."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from test_end_to_end import called, variables
from tiny_runs import SMALLEST
from ways import SMALL

from pdm_tf.assemble import measuring, open_model
from pdm_tf.assemble.measuring import Measuring, Shown, best_of, read_rows
from pdm_tf.assemble.state import build_state
from pdm_tf.commands import train
from pdm_tf.config import MonitoringConfig
from pdm_tf.data.reading import InMemory


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """Measures a run whose pictures and features cost nothing; and what is told."""
    training = replace(SMALL.training, run_dir=str(tmp_path))
    network = replace(SMALL.network, image_shape=(16, 16, 1))
    monitoring = MonitoringConfig(
        evaluate_every=5, evaluate_images=12, evaluate_features="random", stop_after=2
    )
    config = replace(SMALL, training=training, network=network, monitoring=monitoring)
    state = build_state(config, tf.distribute.get_strategy())
    noise = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 1)).astype(np.uint8)
    source = InMemory("noise", noise, np.zeros(40, np.int32))
    told, factors = [], iter([0.5, 1.0, 0.2, 0.1, 0.9])

    class Generator:
        num_classes, description = 3, {}

        def __init__(self, denoise, sampling):
            pass

        def generate(self, seeds, labels, steps, guidance, sampler):
            assert (labels == seeds % 3).all() and sampler == "dpm_solver_sde"
            self.factor = next(factors)
            return (noise[seeds % 40] * self.factor).astype(np.uint8)

    monkeypatch.setattr(measuring, "DenoiserGenerator", Generator)
    shown = Shown(
        state.denoiser, state.average, source, lambda *given: told.append(given)
    )
    return Measuring(config, shown), state, told, tmp_path


def test_the_best_is_kept_and_too_many_worse_ones_end_the_training(measured):
    measure, state, told, run_dir = measured
    weights = state.average.weights.values()
    ended = []
    for step in (5, 10, 15, 20):
        for value in weights:
            value.assign(tf.fill(value.shape, float(step)))
        ended.append(measure.happen(step))
    assert ended == [False, False, False, True]
    rows = read_rows(run_dir)
    assert [row["step"] for row in rows] == [5, 10, 15, 20]
    assert best_of(rows, "frechet") == 1  # the pictures themselves
    assert rows[1]["frechet"] < rows[0]["frechet"] and rows[1]["recall"] > 0
    best = open_model(run_dir / "best")
    assert all((v.numpy() == 10).all() for v in best.denoiser.variables.values())
    assert [step for step, _ in told] == [5, 10, 15, 20]
    assert told[1][1]["metrics/kid"] == rows[1]["kid"]
    # Gone on with from an earlier step, what came after it counts no more.
    assert not measure.happen(10)
    assert [row["step"] for row in read_rows(run_dir)] == [5, 10]


def test_the_best_is_the_least_distance_or_the_most_recall():
    rows = [{"frechet": f, "recall": r} for f, r in [(3, 0.1), (1, 0.4), (1, 0.7)]]
    assert best_of(rows, "frechet") == 1 and best_of(rows, "recall") == 2


@pytest.mark.slow
def test_a_command_measures_keeps_the_best_and_changes_no_bit(tmp_path):
    (tmp_path / "small.flags").write_text(SMALLEST)
    words = [f"--flagfile={tmp_path / 'small.flags'}", "--iterations=6"]
    given = ["--evaluate_every=3", "--evaluate_images=10", "--evaluate_steps=2"]
    assert called(train.main, *words, f"--run_dir={tmp_path / 'a'}", *given)[0] == 0
    assert called(train.main, *words, f"--run_dir={tmp_path / 'b'}")[0] == 0
    assert [row["step"] for row in read_rows(tmp_path / "a")] == [3, 6]
    best = open_model(tmp_path / "a" / "best").denoiser.variables
    assert all(np.isfinite(v.numpy()).all() for v in best.values())
    one, other = (variables(tmp_path / name) for name in "ab")
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name], err_msg=name)
