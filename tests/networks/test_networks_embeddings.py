"""The fixed codes of time and place."""

import numpy as np
import pytest
import reference
import tensorflow as tf

from pdm_tf.networks.embeddings import position_code, timestep_code


@pytest.mark.parametrize("width", [2, 3, 8, 65, 256])
def test_timestep_code_equals_loops(width):
    t = np.arange(0, 1000, 37)
    code = timestep_code(tf.constant(t, tf.int32), width)
    assert code.dtype == tf.float32 and code.shape == (len(t), width)
    # An angle of up to 999 has an error of 999 · 2^-24 in float32.
    np.testing.assert_allclose(code, reference.timestep_code(t, width), atol=1e-4)


def test_timesteps_are_told_apart_even_those_that_half_precision_would_merge():
    code = timestep_code(tf.range(1000), 64).numpy()
    distance = np.linalg.norm(code[1:] - code[:-1], axis=1)
    assert distance.min() > 0.5


@pytest.mark.parametrize(
    ("height", "width", "channels"), [(4, 4, 8), (2, 6, 5), (16, 8, 64), (1, 3, 2)]
)
def test_position_code_equals_loops(height, width, channels):
    np.testing.assert_allclose(
        sum(position_code(height, width, channels)),
        reference.position_code(height, width, channels),
        atol=1e-6,
    )


def test_position_code_is_held_by_its_sides_alone():
    columns, rows = position_code(8, 16, 32)
    assert columns.shape == (1, 16, 32) and rows.shape == (8, 1, 32)


def test_columns_come_first_and_every_place_has_its_own_code():
    code = sum(position_code(8, 16, 32))
    assert (code[..., :16] == code[:1, :, :16]).all()  # the first half: column alone
    assert (code[..., 16:] == code[:, :1, 16:]).all()  # the second half: row alone
    flat = code.reshape(-1, 32)
    apart = np.linalg.norm(flat[:, None] - flat[None], axis=-1)
    assert apart[~np.eye(len(flat), dtype=bool)].min() > 0.1
