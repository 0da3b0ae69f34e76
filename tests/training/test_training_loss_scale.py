"""Loss scaling: exact where nothing overflows, all or nothing where something does."""

import json
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf

from pdm_tf import seeds
from pdm_tf.config import UNetConfig
from pdm_tf.denoisers import NetworkDenoiser
from pdm_tf.denoisers.objective import Loss
from pdm_tf.diffusion import NoiseSchedule
from pdm_tf.networks import PatchedUNet
from pdm_tf.objectives import DenoisingObjective
from pdm_tf.objectives.draws import draw
from pdm_tf.training.checkpoints import Checkpoints
from pdm_tf.training.ema import MovingAverage
from pdm_tf.training.loss_scale import LossScale
from pdm_tf.training.optimizer import Adam
from pdm_tf.training.rates import LearningRate
from pdm_tf.training.train_step import Trainer

ROOT = Path(__file__).resolve().parents[2]
SMALL = UNetConfig(
    image_shape=(8, 8, 1),
    patch_size=2,
    width=16,
    channel_multipliers=(1.0,),
    blocks_per_level=1,
    attention_resolutions=(),
)
BATCH = 4


class Tiny(keras.Model):
    """Two layers, so that a step is traced in no time."""

    def __init__(self, precision):
        super().__init__(name="tiny", dtype=precision)
        self.first = keras.layers.Conv2D(6, 3, name="conv_in", dtype=precision)
        self.last = keras.layers.Dense(1, name="out", dtype="float32")
        self.first.build((None, 8, 8, 1))
        self.last.build((None, 6))
        self.built = True

    def call(self, z):
        return self.last(tf.nn.silu(self.first(z)))


@dataclass(frozen=True, eq=False)
class Exploding:
    """The error of a guess at the pixels; infinite on one replica, at some steps."""

    network: Tiny
    variables: dict
    step: tf.Variable
    bad_steps: tuple
    replica: int
    terms = ("error",)
    buckets = 4
    draw = staticmethod(draw)

    def __call__(self, x, labels, draws):
        eps = seeds.normal(draws.keys, (8, 8, 1))
        error = self.network(x + 0.3 * eps) - tf.sin(3.0 * x[:, 1:-1, 1:-1])
        error = tf.reduce_mean(tf.square(error), axis=[1, 2, 3])
        context = tf.distribute.get_replica_context()
        here = tf.equal(context.replica_id_in_sync_group, self.replica)
        bad = tf.constant(self.bad_steps, tf.int64)
        now = tf.reduce_any(self.step.read_value() == bad)
        error *= tf.where(here & now, np.float32(np.inf), 1.0)
        return Loss(error, {"error": error}, tf.cast(4.0 * draws.u, tf.int32))


class Training(NamedTuple):
    trainer: Trainer
    named: dict
    adam: Adam
    ema: MovingAverage
    step: tf.Variable
    scale: LossScale | None

    def numbers(self):
        """Weights and slots, by name."""
        held = {p: v.read_value() for p, v in self.named.items()}
        held |= {"m " + p: v.read_value() for p, v in self.adam.m.items()}
        held |= {"v " + p: v.read_value() for p, v in self.adam.v.items()}
        return {name: value.numpy() for name, value in held.items()}

    def run(self, steps):
        data = batches(int(self.step.read_value()), steps)
        if self.trainer.strategy.num_replicas_in_sync > 1:
            data = self.trainer.strategy.experimental_distribute_dataset(data)
        return self.trainer.run_steps(iter(data), tf.constant(steps))

    def checkpoints(self, directory):
        return Checkpoints(
            directory, self.named, self.adam, self.ema, self.step, 3, self.scale
        )


def batches(first, count):
    """Batches first … first + count - 1 of a data set that never ends."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 255, (BATCH * 64, 8, 8, 1)).astype("u1")
    y = rng.integers(0, 3, BATCH * 64).astype("i4")
    data = tf.data.Dataset.from_tensor_slices((x, y)).repeat()
    return data.batch(BATCH, drop_remainder=True).skip(first).take(count)


def training(
    precision="float32", make_scale=None, bad_steps=(), strategy=None, bad=0, unet=False
):
    strategy = strategy or tf.distribute.get_strategy()
    keras.utils.set_random_seed(0)
    with strategy.scope():
        if unet:
            network = PatchedUNet(replace(SMALL, precision=precision))
        else:
            network = Tiny(precision)
        named = {v.path: v.value for v in network.trainable_variables}
        adam = Adam(named, LearningRate(1e-2, 2))
        first = tf.VariableAggregation.ONLY_FIRST_REPLICA
        step = tf.Variable(0, False, dtype=tf.int64, aggregation=first)
        scale = make_scale() if make_scale else None
    ema = MovingAverage(named, every=2)
    objective = Exploding(network, named, step, bad_steps, bad)
    if unet:
        denoise = NetworkDenoiser(network, NoiseSchedule.linear(), apart=False)
        objective = DenoisingObjective(denoise, named, "sqrt_snr", 0.1, (0, 999))
    trainer = Trainer(strategy, objective, adam, ema, step, BATCH, 0, 0.5, scale)
    return Training(trainer, named, adam, ema, step, scale)


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name], err_msg=name)


@pytest.mark.parametrize("scale", [1.0, 2.0**10, 2.0**20])
def test_scaling_changes_no_bit_where_nothing_is_lost(scale):
    plain, scaled = training(), training(make_scale=lambda: LossScale(scale, 2))
    norm, other_norm = (t.run(6).gradient_norm.numpy() for t in (plain, scaled))
    assert_same(plain.numbers(), scaled.numbers())
    assert norm == other_norm
    assert float(scaled.scale.scale) == scale * 2**3  # and it grew on the way


def test_an_overflow_touches_nothing_and_halves_the_scale():
    made = training(make_scale=lambda: LossScale(64.0, 100), bad_steps=(3, 4))
    made.run(3)
    before = made.numbers()
    metrics = made.run(2)
    assert_same(before, made.numbers())
    assert float(made.scale.scale) == 16.0
    assert int(made.scale.good_steps) == 0
    assert int(made.step) == 5  # the batch is gone all the same
    assert float(metrics.gradient_norm) == 0.0  # of the steps taken
    made.run(1)
    after = made.numbers()
    assert np.isfinite(np.concatenate([v.ravel() for v in after.values()])).all()
    assert any((after[name] != before[name]).any() for name in before)


def test_growth_needs_good_steps_in_a_row():
    made = training(make_scale=lambda: LossScale(8.0, 3), bad_steps=(2,))
    scales = []
    for _ in range(9):
        made.run(1)
        scales.append(float(made.scale.scale))
    assert scales == [8, 8, 4, 4, 4, 8, 8, 8, 16]


def test_the_scale_has_a_floor():
    made = training(make_scale=lambda: LossScale(2.0, 100), bad_steps=tuple(range(4)))
    made.run(4)
    assert float(made.scale.scale) == 1.0


def test_float16_falls_from_a_scale_that_overflows_to_one_that_does_not():
    made = training("mixed_float16", lambda: LossScale(2.0**40, 1000))
    before, halvings = made.numbers(), 0
    while not int(made.scale.good_steps):
        assert_same(before, made.numbers())
        made.run(1)
        halvings += 1
    assert halvings > 1  # 2**40 is no float16
    assert float(made.scale.scale) == 2.0 ** (41 - halvings) > 1


@pytest.mark.slow
def test_float16_learns_what_float32_learns():
    exact = training(unet=True)
    half = training("mixed_float16", lambda: LossScale(2.0**10), unet=True)
    start = exact.numbers()
    assert_same(start, half.numbers())
    losses = [made.run(20).terms["simple"] for made in (exact, half)]
    assert int(half.scale.good_steps) == 20
    np.testing.assert_allclose(*losses, rtol=0.02)
    one, other = exact.numbers(), half.numbers()
    way = np.concatenate([(one[p] - start[p]).ravel() for p in exact.named])
    apart = np.concatenate([(one[p] - other[p]).ravel() for p in exact.named])
    assert np.linalg.norm(apart) < 0.2 * np.linalg.norm(way)


def test_without_a_scale_small_gradients_vanish_and_with_it_they_do_not():
    network = training("mixed_float16").trainer.objective.network
    z = tf.random.stateless_normal([2, 8, 8, 1], [0, 1])

    def gradient(scale):
        """Of a loss far below float16, with respect to the kernel used in float16."""
        with tf.GradientTape() as tape:
            loss = scale.scaled(1e-9 * tf.reduce_mean(tf.square(network(z))))
        kernel = network.first.kernel.value
        return scale.unscaled(tape.gradient(loss, kernel)).numpy()

    assert not gradient(LossScale(1.0)).any()
    assert (gradient(LossScale(2.0**24)) != 0).all()


# --- its state ------------------------------------------------------------------------


def test_ten_steps_saved_and_ten_more_are_twenty(tmp_path):
    def fresh():
        return training("mixed_float16", lambda: LossScale(2.0**18, 4))

    whole = fresh()
    whole.run(10)
    half = fresh()
    half.run(5)
    half.checkpoints(tmp_path).save()
    again = fresh()
    assert again.checkpoints(tmp_path).restore()
    assert int(again.scale.good_steps) == int(half.scale.good_steps)
    again.run(5)
    assert_same(whole.numbers(), again.numbers())
    assert float(again.scale.scale) == float(whole.scale.scale)
    assert int(again.scale.good_steps) == int(whole.scale.good_steps)


@pytest.mark.parametrize("scaled", [False, True])
def test_a_run_can_go_on_in_another_precision(scaled, tmp_path):
    kinds = [("float32", None), ("mixed_float16", lambda: LossScale(32.0))]
    before, after = (training(*kind) for kind in (kinds[scaled], kinds[not scaled]))
    before.run(2)
    before.checkpoints(tmp_path).save()
    assert after.checkpoints(tmp_path).restore()
    assert_same(before.numbers(), after.numbers())
    if after.scale:
        assert float(after.scale.scale) == 32.0
    after.run(1)
    assert int(after.step) == 3


def test_nothing_else_may_be_missing_from_a_checkpoint(tmp_path):
    made = training()
    saved = made.checkpoints(tmp_path)
    saved._writer = tf.train.Checkpoint(step=made.step, optimizer=made.adam)
    saved.save()
    with pytest.raises(AssertionError):
        made.checkpoints(tmp_path).restore()


# --- replicas -------------------------------------------------------------------------

REPLICAS = """
import json, sys
import tensorflow as tf
sys.path[:0] = [".", "tests/training"]
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from test_training_loss_scale import LossScale, assert_same, np, training
count = int(sys.argv[1])
strategy = None
if count > 1:
    strategy = tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(count)])
made = training("float32", lambda: LossScale(64.0, 3), (2,), strategy, count - 1)
made.run(2)
before = made.numbers()
made.run(1)
assert_same(before, made.numbers())
assert float(made.scale.scale.read_value()) == 32.0
metrics = made.run(4)
for v in [*made.named.values(), made.scale.scale, made.scale.good_steps]:
    copies = [c.numpy() for c in getattr(v, "values", [v])]
    assert len(copies) == count
    assert all((c == copies[0]).all() for c in copies)
numbers = {name: value.ravel().tolist() for name, value in made.numbers().items()}
numbers["scale"] = float(made.scale.scale.read_value())
numbers["good steps"] = float(made.scale.good_steps.read_value())
numbers["norm"] = float(metrics.gradient_norm)
print(json.dumps(numbers))
"""


def trained(replicas):
    """Numbers after steps of which one overflowed, on the last replica alone."""
    done = subprocess.run(
        [sys.executable, "-c", REPLICAS, str(replicas)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_an_overflow_on_one_replica_skips_the_step_on_all():
    one, two = trained(1), trained(2)
    assert one.keys() == two.keys()
    assert two["scale"] == 64.0 and two["good steps"] == 1.0
    for name, value in one.items():
        np.testing.assert_allclose(value, two[name], atol=1e-5, err_msg=name)
