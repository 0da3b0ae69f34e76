"""Patches: nothing is lost, nothing mixed, and the order is the paper's."""

import numpy as np
import pytest
import reference
import tensorflow as tf

from pdm_tf.networks.patches import patchify, unpatchify

SHAPES = [  # picture, P
    ((2, 8, 8, 3), 1),
    ((2, 8, 8, 3), 2),
    ((1, 8, 16, 3), 4),
    ((3, 24, 8, 1), 8),
    ((2, 6, 9, 5), 3),
]
WAYS = {
    "eager": lambda function: function,
    "graph": tf.function,
    "xla": lambda function: tf.function(function, jit_compile=True),
}
every = pytest.mark.parametrize(("shape", "patch"), SHAPES)


def numbered(shape):
    """A picture whose pixels are all different."""
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


@every
@pytest.mark.parametrize("way", WAYS)
def test_round_trip_changes_nothing(shape, patch, way):
    x = numbered(shape)
    trip = WAYS[way](lambda x: unpatchify(patchify(x, patch), patch))
    np.testing.assert_array_equal(trip(tf.constant(x)), x)


@every
def test_other_round_trip_changes_nothing(shape, patch):
    b, h, w, c = shape
    y = numbered((b, h // patch, w // patch, c * patch**2))
    np.testing.assert_array_equal(patchify(unpatchify(y, patch), patch), y)


@every
def test_both_ways_equal_loops_and_the_papers_two_steps(shape, patch):
    x = numbered(shape)
    y = patchify(x, patch).numpy()
    np.testing.assert_array_equal(y, reference.patches(x, patch))
    np.testing.assert_array_equal(y, reference.two_step_patches(x, patch))
    back = unpatchify(y, patch)
    np.testing.assert_array_equal(back, reference.pictures(y, patch))
    np.testing.assert_array_equal(back, reference.two_step_pictures(y, patch))


@every
def test_a_patch_holds_the_pixels_of_its_own_square(shape, patch):
    x = numbered(shape)
    y = patchify(x, patch).numpy()
    for i, j in np.ndindex(*y.shape[1:3]):
        rows = slice(i * patch, (i + 1) * patch)
        columns = slice(j * patch, (j + 1) * patch)
        square = x[:, rows, columns].reshape(len(x), -1)
        np.testing.assert_array_equal(y[:, i, j], square)


@every
def test_depth_is_the_same_map(shape, patch):
    # What an export for a runtime without extract_patches takes in its place.
    x = numbered(shape)
    depth = x if patch == 1 else tf.nn.space_to_depth(x, patch)
    np.testing.assert_array_equal(patchify(x, patch), depth)
