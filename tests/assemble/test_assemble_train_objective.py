"""Any objective trains by the one loop: resumed exactly, its variables alone saved."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from ways import SMALL, source

from pdm_tf.assemble.building import build_denoiser, named_variables
from pdm_tf.assemble.runs import read_settings
from pdm_tf.assemble.state import build_progress, build_state
from pdm_tf.assemble.training import grid_drawer, train_objective
from pdm_tf.config import InputError
from pdm_tf.data.images import contact_sheet
from pdm_tf.denoisers import NetworkDenoiser
from pdm_tf.networks.transforms import LayerTransform, plan_variables
from pdm_tf.objectives import DenoisingObjective
from pdm_tf.training.averages import load_average
from pdm_tf.training.ema import MovingAverage

CONFIG = replace(
    SMALL,
    training=replace(
        SMALL.training, batch_size=4, save_every=3, sample_every=0, log_every=2
    ),
    sampling=replace(SMALL.sampling, sample_images=2, sample_steps=2),
)


class Scale(LayerTransform):
    """Scales a layer's output channels."""

    def __init__(self, channels):
        self.scale = tf.Variable(tf.ones([channels]))

    def output(self, y, x, t):
        return y * self.scale


class Learner:
    """An adapter of two layers, of a base that comes from a seed."""

    def __init__(self, run_dir, remat=False, **training):
        keras.utils.set_random_seed(0)
        settings = {"run_dir": str(run_dir), "remat": remat, **training}
        self.config = replace(CONFIG, training=replace(CONFIG.training, **settings))
        base = build_denoiser(self.config)
        for v in base.network.trainable_variables:
            v.assign(v + 0.05 * tf.random.stateless_normal(v.shape, [0, 1]))
        self.base = named_variables(base.network)
        self.fixed = {path: v.numpy() for path, v in self.base.items()}
        plan = {"down_0_0/conv_out": Scale(36), "up_0_1/skip": Scale(36)}
        self.denoise = base.with_plan(plan)
        learner = NetworkDenoiser(base.network, base.schedule, apart=False, plan=plan)
        self.objective = DenoisingObjective(
            learner, plan_variables(plan), "sqrt_snr", 0.1, (0, 999)
        )

    def train(self, **events):
        assert train_objective(
            self.objective, self.config, source(), self.denoise, **events
        )
        return self

    def numbers(self):
        return {name: v.numpy() for name, v in self.objective.variables.items()}


def key_of(name):
    """How TensorFlow writes a name into a checkpoint."""
    escaped = name.replace(".", "..").replace("/", ".S")
    return f"{escaped}/.ATTRIBUTES/VARIABLE_VALUE"


def saved(run_dir, step):
    reader = tf.train.load_checkpoint(str(run_dir / "checkpoints" / f"ckpt-{step}"))
    names = [n for n in reader.get_variable_to_shape_map() if "CHECKPOINT" not in n]
    return {name: reader.get_tensor(name) for name in names}


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """Six steps in one go."""
    run_dir = tmp_path_factory.mktemp("straight") / "run"
    return run_dir, Learner(run_dir, iterations=6).train()


def test_an_adapter_learns_and_its_base_does_not(straight):
    learner = straight[1]
    for name, value in learner.numbers().items():
        assert np.abs(value - 1.0).min() > 0, name
    for path, variable in learner.base.items():
        np.testing.assert_array_equal(variable.numpy(), learner.fixed[path])


def test_a_checkpoint_holds_the_adapter_and_nothing_of_the_base(straight):
    run_dir, learner = straight
    found = saved(run_dir, 6)
    slots = [key_of(name) for name in learner.numbers()]
    kinds = ("network/variables_by_path", "optimizer/m", "optimizer/v", "ema/weights")
    expected = {f"{kind}/{slot}" for kind in kinds for slot in slots}
    assert set(found) == expected | {"step/.ATTRIBUTES/VARIABLE_VALUE"}
    assert not (run_dir / "config.flags").exists()  # of whom it is, others record


def test_resumed_by_the_same_call_it_ends_with_the_same_bits(straight, tmp_path):
    run_dir = tmp_path / "run"
    begun, finished = [], []
    for iterations in (3, 6):
        learner = Learner(run_dir, iterations=iterations).train(
            begin=lambda: begun.append(True), finish=lambda: finished.append(True)
        )
    assert len(begun) == len(finished) == 2
    for name, value in straight[1].numbers().items():
        np.testing.assert_array_equal(learner.numbers()[name], value)
    one, other = saved(straight[0], 6), saved(run_dir, 6)
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name], err_msg=name)


@pytest.mark.slow
def test_grids_of_samples_and_logs_change_no_bit(straight, tmp_path):
    learner = Learner(tmp_path / "run", iterations=6, sample_every=2).train()
    pictures = sorted((tmp_path / "run" / "samples").iterdir())
    assert [p.name for p in pictures] == [f"step_00000{n}.png" for n in (2, 4, 6)]
    averaged = Learner(tmp_path / "run")
    load_average(tmp_path / "run" / "checkpoints", averaged.objective.variables)
    still = MovingAverage(averaged.objective.variables)
    drawn = contact_sheet(grid_drawer(averaged.config, averaged.denoise, still)())
    found = tf.io.decode_png(pictures[-1].read_bytes()).numpy()
    np.testing.assert_array_equal(found, drawn)
    for name, value in straight[1].numbers().items():
        np.testing.assert_array_equal(learner.numbers()[name], value)


@pytest.mark.slow
def test_blocks_computed_again_teach_an_adapter_the_same(straight, tmp_path):
    learner = Learner(tmp_path / "run", remat=True, iterations=6).train()
    for name, value in straight[1].numbers().items():
        np.testing.assert_allclose(learner.numbers()[name], value, atol=1e-5)


def test_averages_are_read_back_by_name(straight):
    run_dir, learner = straight
    variables = {n: tf.Variable(v) for n, v in learner.numbers().items()}
    assert load_average(run_dir / "checkpoints", variables) == 6
    found = saved(run_dir, 6)
    for name, variable in variables.items():
        value = found[f"ema/weights/{key_of(name)}"]
        np.testing.assert_array_equal(variable.numpy(), value)


def test_what_does_not_learn_can_be_saved_all_the_same(tmp_path):
    def progress(value):
        learner = Learner(tmp_path / "run")
        counter = tf.Variable(value)
        device = tf.distribute.get_strategy()
        given = (learner.objective, learner.config, device)
        made = build_progress(*given, unlearnt={"counter": counter})
        return made, counter

    progress(7.0)[0].checkpoints.save()
    made, counter = progress(0.0)
    assert made.checkpoints.restore() and float(counter) == 7.0
    assert "counter" not in made.optimizer.m and "counter" not in made.average.weights


def test_a_checkpoint_of_other_variables_is_refused(straight):
    learner = straight[1]
    config = replace(learner.config, network=replace(SMALL.network, width=16))
    config = replace(config, training=learner.config.training)
    state = build_state(config, tf.distribute.get_strategy())
    with pytest.raises(InputError, match="width 36 → 16"):
        state.checkpoints.restore()


def test_a_checkpoint_of_version_0_1_restores_exactly(models_0_1):
    config = read_settings(models_0_1 / "low")
    state = build_state(config, tf.distribute.get_strategy())
    assert state.checkpoints.restore()
    parts = {
        "network/variables_by_path": state.objective.variables,
        "optimizer/m": state.optimizer.m,
        "optimizer/v": state.optimizer.v,
        "ema/weights": state.average.weights,
    }
    found = saved(models_0_1 / "low", 40)
    assert int(state.step) == found.pop("step/.ATTRIBUTES/VARIABLE_VALUE") == 40
    for part, variables in parts.items():
        for path, variable in variables.items():
            value = found.pop(f"{part}/{key_of(path)}")
            np.testing.assert_array_equal(variable.numpy(), value)
    assert not found
