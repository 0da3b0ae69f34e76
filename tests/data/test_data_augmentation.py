"""Plain augmentation: what each change is, and that a restart draws the same."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from pdm_tf.data.augmentation import PlainAugmentation, recoloured, shifted
from pdm_tf.data.pipeline import training_batches
from pdm_tf.data.reading import InMemory

ALL = PlainAugmentation(vertical_flip=True, random_crop=2, colour_jitter=0.3)


def source():
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (10, 6, 5, 3), np.uint8)
    return InMemory("toy", pictures, np.arange(10, dtype=np.int32))


def batches(augmentation, count=4, **settings):
    data = training_batches(source(), 8, 3, augmentation=augmentation, **settings)
    return [x for x, _ in itertools.islice(data.as_numpy_iterator(), count)]


def test_a_restart_draws_the_same_and_so_do_shards():
    through = batches(ALL)
    np.testing.assert_array_equal(batches(ALL, 2, start_step=2), through[2:])
    halves = [batches(ALL, shard=(i, 2)) for i in range(2)]
    np.testing.assert_array_equal(np.concatenate(halves, axis=1), through)
    assert any(
        (a != b).any()
        for a, b in zip(through, batches(PlainAugmentation()), strict=True)
    )


def test_half_of_the_pictures_are_turned_upside_down_and_no_pixel_changes():
    plain = np.concatenate(batches(PlainAugmentation(), 40))
    turned = np.concatenate(batches(PlainAugmentation(vertical_flip=True), 40))
    flipped = np.all(turned == plain[:, ::-1], axis=(1, 2, 3))
    assert np.all(flipped | np.all(turned == plain, axis=(1, 2, 3)))
    assert 0.4 < flipped.mean() < 0.6


def test_shifts_are_whole_pixels_of_the_mirrored_plane_and_reach_their_most():
    x = source().pictures[:1]
    plane = np.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect")
    windows = {
        plane[:, i : i + 6, j : j + 5].tobytes() for i in range(5) for j in range(5)
    }
    u = tf.constant(np.random.default_rng(0).random((300, 2)), tf.float32)
    got = shifted(tf.repeat(x, 300, axis=0), u, 2).numpy()
    assert {row[None].tobytes() for row in got} == windows


@pytest.mark.parametrize("channels", [1, 3])
def test_colours_in_the_middle_of_their_range_stay_and_grey_stays_grey(channels):
    x = tf.constant(source().pictures[..., :channels])
    middle = tf.fill([10, 3], 0.5)
    np.testing.assert_array_equal(recoloured(x, middle, 0.5), x)
    grey = tf.repeat(x[..., :1], channels, axis=-1)
    got = recoloured(grey, tf.fill([10, 3], 0.9), 0.5).numpy()
    assert np.all(got == got[..., :1])


def test_brightness_and_contrast_are_what_they_say():
    x = tf.constant(np.full((1, 4, 4, 1), 100, np.uint8))
    got = recoloured(x, tf.constant([[1.0, 1.0, 0.5]]), 0.2)
    np.testing.assert_array_equal(got, np.full((1, 4, 4, 1), 151))  # + 0.2 * 255
    x = tf.constant(np.resize(np.array([80, 120], np.uint8), (1, 4, 4, 1)))
    got = recoloured(x, tf.constant([[0.5, 1.0, 0.5]]), 0.5).numpy()
    np.testing.assert_array_equal(np.unique(got), [70, 130])
