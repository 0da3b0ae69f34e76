"""Haar wavelets: nothing is lost, they are patches in another basis, gates choose."""

import numpy as np
import pytest
import tensorflow as tf
from small_networks import SMALL, noisy

from pdm_tf.networks import PatchedUNet
from pdm_tf.networks.patches import patchify
from pdm_tf.networks.transforms import layers_of
from pdm_tf.networks.wavelets import (
    WaveletDown,
    WaveletUNet,
    WaveletUp,
    haar,
    inverse_haar,
)

X = tf.constant(np.random.default_rng(0).normal(size=(2, 6, 4, 3)), tf.float32)


def test_bands_give_the_picture_back_and_keep_its_norm():
    bands = haar(X)
    assert [band.shape for band in bands] == [(2, 3, 2, 3)] * 4
    np.testing.assert_allclose(inverse_haar(bands), X, atol=1e-6)
    squares = sum(float(tf.reduce_sum(band**2)) for band in bands)
    np.testing.assert_allclose(squares, np.sum(X.numpy() ** 2), rtol=1e-6)


def test_bands_of_flat_rows_and_columns_are_where_they_belong():
    rows, columns = tf.meshgrid([1.0, -1.0, 1.0, -1.0], [1.0] * 4, indexing="ij")
    for picture, band in ((columns, 0), (tf.transpose(rows), 1), (rows, 2)):
        energies = [float(tf.reduce_sum(b**2)) for b in haar(picture[None, ..., None])]
        assert energies[band] == sum(energies) == 16.0


def test_it_is_patching_with_two_pixels_in_another_basis():
    rotation = 0.5 * np.array(
        [[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]
    )
    patched = patchify(X[..., :1], 2).numpy()
    bands = np.concatenate(haar(X[..., :1]), -1)
    np.testing.assert_allclose(patched @ rotation.T, bands, atol=1e-6)


def test_equal_gates_would_leave_every_second_pixel_and_so_they_start_unequal():
    np.testing.assert_allclose(tf.add_n(haar(X)), 2.0 * X[:, ::2, ::2], atol=1e-6)
    layer = WaveletDown(5, name="down")
    layer.build(X.shape)
    gates = layer.gates(0.0 * X[:1]).numpy().reshape(4, 3)
    np.testing.assert_allclose(gates[0], 1.0 / (1.0 + np.exp(-2.0)), rtol=1e-6)
    np.testing.assert_allclose(gates[1:], 0.5)
    assert layer(X).shape == (2, 3, 2, 5)


def test_upwards_the_gated_channels_are_the_bands():
    layer = WaveletUp(2, name="up")
    layer.build(X.shape)
    made = layer(X)
    assert made.shape == (2, 12, 8, 2)
    wanted = tf.split(layer.gates(X) * layer.conv(X), 4, axis=-1)
    for found, band in zip(haar(made), wanted, strict=True):
        np.testing.assert_allclose(found, band, atol=1e-6)


@pytest.fixture(scope="module")
def network():
    return WaveletUNet(SMALL)


def test_the_network_has_the_other_ones_layers_but_for_those_between_levels(network):
    plain = set(layers_of(PatchedUNet(SMALL)))
    own = set(layers_of(network))
    assert plain <= own and {path.rpartition("/")[0] for path in own - plain} == {
        "down_1_sample/gates",
        "up_1_sample/gates",
    }


def test_pictures_come_out_and_do_not_depend_on_their_batch(network):
    rng = np.random.default_rng(0)
    for variable in network.variables:
        variable.assign(variable + 0.1 * rng.normal(size=variable.shape))
    given = noisy(3), tf.constant([7]), tf.constant([0, 1, 3])
    output, variance = network(*given)
    assert output.shape == variance.shape == (3, 16, 16, 1)
    alone, _ = network(given[0][1:2], given[1], given[2][1:2])
    np.testing.assert_allclose(alone, output[1:2], atol=1e-5)
