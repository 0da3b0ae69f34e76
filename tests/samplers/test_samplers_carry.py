"""The loop's room for what denoisers remember: a denoiser that counts its calls."""

import pytest
import tensorflow as tf
from toys import SHAPE, CountingToy, MixtureToy

from pdm_tf.denoisers import constrained, guided, split, thresholded
from pdm_tf.samplers import DDPM, SAMPLERS, sample

SCHEDULE = CountingToy.schedule
PER_STEP = {"heun": 2, "linear_heun": 2}  # evaluations; all others take one


def counted(denoise, sampler, steps=9, seeds=(3, 8)):
    """Calls before the last one, one number for each picture."""
    x = sample(denoise, sampler, SCHEDULE.grid(steps), seeds, SHAPE).numpy()
    assert (x == x[:, :1, :1]).all()
    return x[:, 0, 0, 0].tolist()


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_walk_remembers_every_call(name):
    conditioned = CountingToy().conditioned([0, 0])
    calls = 8 * PER_STEP.get(name, 1)
    assert counted(conditioned, SAMPLERS[name]()) == [calls, calls]


@pytest.mark.parametrize("name", SAMPLERS)
def test_guidance_has_two_carries(name):
    # 3 times the conditioned half's count, less 2 times that of the one in tens.
    denoise = guided(CountingToy(), [0, 1], weight=3.0, threshold=None)
    calls = 8 * PER_STEP.get(name, 1)
    assert counted(denoise, SAMPLERS[name]()) == [(3 - 20) * calls] * 2


@pytest.mark.parametrize("name", SAMPLERS)
def test_guidance_in_an_interval_asks_one_half_elsewhere(name):
    grid = SCHEDULE.grid(9)
    middle = float(tf.exp(grid.log_snr[4]))  # levels 0 … 4 lie within
    denoise = guided(
        CountingToy(), [0, 1], weight=3.0, threshold=None, interval=(0.0, middle)
    )
    calls = 8 * PER_STEP.get(name, 1)
    assert counted(denoise, SAMPLERS[name]()) == [calls, calls]


def test_parts_of_a_split_remember_their_own_calls():
    # Of 10 levels 5 lie below the boundary; the least noisy part speaks last.
    grid = SCHEDULE.grid(10)
    middle = float(tf.exp(0.5 * (grid.log_snr[4] + grid.log_snr[5])))
    conditioned = CountingToy().conditioned([0, 0])
    denoise = split(conditioned, conditioned, snr=middle)
    assert counted(denoise, DDPM(), steps=10) == [4, 4]


def test_levels_of_one_batch_keep_their_memories_apart():
    conditioned = CountingToy().conditioned([0, 0])
    denoise = split(conditioned, conditioned, snr=1.0)
    z, level = tf.zeros([2, *SHAPE]), SCHEDULE.level([0, 999])
    _, carry = denoise.predict(z, level, denoise.init_carry(z))
    assert [part["calls"].numpy().tolist() for part in carry] == [[1, 0], [0, 1]]


@pytest.mark.parametrize(
    "wrap", [lambda d: thresholded(d, 100.0), lambda d: constrained(d, lambda x: 2 * x)]
)
def test_wrappers_pass_carry_on(wrap):
    denoise = wrap(CountingToy().conditioned([0, 0]))
    z, level = tf.zeros([2, *SHAPE]), SCHEDULE.level(5)
    _, carry = denoise.predict(z, level, denoise.init_carry(z))
    _, carry = denoise.predict(z, level, carry)
    assert carry["calls"].numpy().tolist() == [2, 2]


def test_without_a_carry_every_call_is_the_first():
    toy = CountingToy()
    for _ in range(2):
        assert tf.reduce_max(toy(tf.zeros([2, *SHAPE]), SCHEDULE.level(5)).x) == 0


def test_most_denoisers_carry_nothing():
    toy = MixtureToy()
    z = tf.zeros([2, *SHAPE])
    assert tf.nest.flatten(guided(toy, [0, 1], weight=2.0).init_carry(z)) == []


def test_carry_works_in_a_saved_model_with_everything_open(tmp_path):
    def draw(seeds, labels, steps):
        denoise = guided(CountingToy(), labels, weight=3.0, threshold=None)
        return sample(denoise, SAMPLERS["heun"](), SCHEDULE.grid(steps), seeds, SHAPE)

    many, one = tf.TensorSpec([None], tf.int32), tf.TensorSpec([], tf.int32)
    module = tf.Module()
    module.draw = tf.function(draw, input_signature=[many, many, one], autograph=False)
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    for count, steps in ((1, 4), (3, 7)):
        seeds, labels = tf.range(count), tf.zeros([count], tf.int32)
        x = loaded.draw(seeds, labels, tf.constant(steps)).numpy()
        assert x.shape == (count, *SHAPE)
        assert (x == (3 - 20) * 2 * (steps - 1)).all()
