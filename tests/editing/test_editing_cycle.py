"""Laws of translation by noise: what comes back, what the noises are."""

import numpy as np
import pytest
import tensorflow as tf
from toys import GaussianToy, MixtureToy

from pdm_tf.editing.cycle import Translated, translate
from pdm_tf.editing.sdedit import sdedit
from pdm_tf.errors import InputError
from pdm_tf.samplers import DDIM, fresh_share, sample

SHAPE = (8, 8, 1)
TOY = MixtureToy(image_shape=SHAPE)
GRID = TOY.schedule.grid(50)
SEEDS = range(4)
PICTURE = sample(TOY, DDIM(), TOY.schedule.grid(250), [99], SHAPE)


def stepped(denoise, source, x, eta):
    """z of the decoder, that of the encoder, and the noise e, level by level."""
    sampler = Translated(source, x, eta)
    z = tf.random.stateless_normal([len(x), *SHAPE], [0, 1])
    state = sampler.init(z)
    for i in range(GRID.size - 1):
        level, to = GRID.level(i), GRID.level(i + 1)
        before, noise = state[0], tf.random.stateless_normal(z.shape, [1, i])
        z, state = sampler.step(denoise, z, level, to, state, noise)
        share = fresh_share(level, to, eta)
        mean = sampler._mean(before, source(before, level).x, level, to, share)
        yield level, to, z, state[0], (state[0] - mean) / tf.sqrt(share) / to.noise


@pytest.mark.parametrize("eta", [0.1, 1.0])
def test_the_same_denoiser_passes_where_the_encoder_passed(eta):
    for _, _, z, encoded, _ in stepped(TOY, TOY, PICTURE, eta):
        np.testing.assert_allclose(z, encoded, atol=1e-5)
    again = translate(TOY, TOY, GRID, SEEDS, PICTURE, eta=eta)
    # The last step, to the picture, has its noise too: nothing is lost.
    np.testing.assert_allclose(again, np.repeat(PICTURE, 4, axis=0), atol=1e-4)


def test_noises_are_as_rough_as_what_the_denoiser_does_not_know():
    toy = GaussianToy(image_shape=SHAPE)
    x = toy.std * tf.random.stateless_normal([200, *SHAPE], [0, 9])
    for level, to, _, _, e in stepped(toy, toy, x, 0.5):
        a, a_s = float(level.alpha), float(to.alpha)
        sigma2 = float(fresh_share(level, to, 0.5)) * (1 - a_s)
        c = np.sqrt(a_s) - np.sqrt((1 - a_s - sigma2) * a / (1 - a))
        known = toy.std**2 * (1 - a) / (a * toy.std**2 + 1 - a)
        wanted = 1 + c**2 * known / sigma2
        if float(level.t) < 900:  # above, z of the start is not yet q(z | x)'s
            assert np.var(e) == pytest.approx(wanted, rel=0.05)
            assert abs(np.mean(e)) < 0.05 * np.sqrt(wanted)


def test_a_class_turns_into_the_other_by_what_lies_between_them():
    toy = GaussianToy(shift=0.3, image_shape=SHAPE)
    x = toy.std * tf.random.stateless_normal([4, *SHAPE], [0, 9]) - 0.3
    first, second = (toy.conditioned([label] * 4) for label in (0, 1))
    made = translate(first, second, TOY.schedule.grid(200), SEEDS, x, strength=1.0)
    np.testing.assert_allclose(made, x + 0.6, atol=0.05)
    assert float(tf.reduce_mean(made - x)) == pytest.approx(0.6, abs=0.003)


def test_refined_is_noised_a_little_and_drawn_again():
    none = translate(TOY, TOY, GRID, SEEDS, PICTURE, strength=0.0, refine=0.2)
    again = sdedit(TOY, DDIM(eta=1.0), GRID, SEEDS, PICTURE, 0.2)
    np.testing.assert_array_equal(none, again)


@pytest.mark.slow
def test_strength_says_how_far():
    none = translate(TOY, TOY, GRID, SEEDS, PICTURE, strength=0.0)
    np.testing.assert_array_equal(none, tf.broadcast_to(PICTURE, none.shape))
    other = MixtureToy(shift=0.3, image_shape=SHAPE).conditioned([1] * 4)
    made = [translate(TOY, other, GRID, SEEDS, PICTURE, s) for s in (0.1, 0.5, 1.0)]
    gone = [float(tf.reduce_mean(tf.abs(x - PICTURE))) for x in made]
    assert gone == sorted(gone) and gone[0] < 0.5 * gone[2]
    with pytest.raises(InputError, match="strength"):
        translate(TOY, TOY, GRID, SEEDS, PICTURE, strength=1.1)


def test_a_picture_is_the_same_in_every_batch():
    other = MixtureToy(shift=0.3, image_shape=SHAPE)
    both = translate(TOY, other, GRID, [3, 4], PICTURE)
    alone = translate(TOY, other, GRID, [4], PICTURE)
    np.testing.assert_allclose(alone[0], both[1], atol=1e-6)
