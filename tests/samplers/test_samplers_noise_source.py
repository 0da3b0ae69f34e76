"""Where noise comes from is one argument: seeds, or noises that are known already."""

import numpy as np
import pytest
import tensorflow as tf
from toys import SHAPE, GaussianToy

from pdm_tf.samplers import (
    DDIM,
    DDPM,
    NoiseSource,
    RecordedNoise,
    SeededNoise,
    sample,
)

TOY = GaussianToy()
GRID = TOY.schedule.grid(7)
SEEDS = [4, 11, 5]


def test_both_are_sources_and_seeds_are_none():
    assert isinstance(SeededNoise(SEEDS, SHAPE), NoiseSource)
    assert isinstance(RecordedNoise(tf.zeros([1, 3, *SHAPE])), NoiseSource)
    for seeds in (SEEDS, range(3), tf.range(3), np.arange(3)):
        assert not isinstance(seeds, NoiseSource)


@pytest.mark.parametrize("sampler", [DDPM(), DDIM(eta=1.0)], ids=repr)
def test_noises_written_down_give_the_same_picture_as_their_seeds(sampler):
    source = SeededNoise(SEEDS, SHAPE)
    known = RecordedNoise(tf.stack([source(i) for i in range(7)]))
    wanted = sample(TOY, sampler, GRID, SEEDS, SHAPE)
    np.testing.assert_allclose(
        sample(TOY, sampler, GRID, known, SHAPE), wanted, atol=1e-6
    )
    np.testing.assert_allclose(
        sample(TOY, sampler, GRID, source, SHAPE), wanted, atol=1e-6
    )


def test_a_copy_of_a_denoiser_does_not_use_the_graphs_of_the_first():
    conditioned = TOY.conditioned([0, 0, 0])
    first = sample(conditioned, DDIM(), GRID, SEEDS, SHAPE).numpy()
    other = type(conditioned)(shift=1.0)
    other.__dict__.update({**conditioned.__dict__, "shift": 1.0})
    assert np.abs(sample(other, DDIM(), GRID, SEEDS, SHAPE).numpy() - first).max() > 0.1
    np.testing.assert_array_equal(
        sample(conditioned, DDIM(), GRID, SEEDS, SHAPE), first
    )
