"""Laws of singular directions: closed forms, numpy's decomposition, what stays."""

import numpy as np
import pytest
import tensorflow as tf
from toys import CorrelatedToy, MixtureToy, Toy

from pdm_tf.editing.directions import edit_along, grid_below, local_directions
from pdm_tf.editing.singular import Derivative, projected, singular_directions
from pdm_tf.samplers import DDIM, encode, sample_from

SHAPE = (6, 4, 1)
SIZE, RANK = 24, 3
RNG = np.random.default_rng(0)
U = np.linalg.qr(RNG.standard_normal((SIZE, RANK)))[0].astype(np.float32)
A = RNG.standard_normal((SIZE, SIZE)).astype(np.float32)
Z = tf.constant(RNG.standard_normal((1, *SHAPE)).astype(np.float32))
LEFT = np.zeros((6, 4, 1), bool)
LEFT[:, :2] = True
ALL = np.ones_like(LEFT)


class Linear(Toy):
    """x = A z, of no symmetry."""

    def denoised(self, z, level):
        return tf.reshape(tf.reshape(z, [-1, SIZE]) @ A.T, tf.shape(z))


class Subspace(Toy):
    """The exact denoiser of N(0, UUᵀ): x = sqrt(alpha) UUᵀ z."""

    def denoised(self, z, level):
        flat = tf.reshape(z, [-1, SIZE]) @ U @ U.T
        return level.signal * tf.reshape(flat, tf.shape(z))


def derivative_of(kind, t=500):
    toy = kind(image_shape=SHAPE)
    return Derivative(toy, toy.schedule.level(t))


def flat(vectors):
    return np.asarray(vectors).reshape(-1, SIZE)


@pytest.fixture(scope="module")
def linear():
    return derivative_of(Linear)


@pytest.fixture(scope="module")
def subspace():
    return derivative_of(Subspace)


def test_products_are_those_of_the_matrix(linear):
    v = tf.constant(RNG.standard_normal((5, *SHAPE)).astype(np.float32))
    np.testing.assert_allclose(linear.matrix(Z, 7), A, atol=1e-5)
    np.testing.assert_allclose(flat(linear.forward(Z, v)), flat(v) @ A.T, atol=1e-4)
    np.testing.assert_allclose(flat(linear.transposed(Z, v)), flat(v) @ A, atol=1e-4)


@pytest.mark.parametrize("rows", [ALL, LEFT])
@pytest.mark.parametrize("away", [0, 4])
def test_directions_are_those_of_numpy(linear, rows, away):
    without = np.linalg.qr(RNG.standard_normal((SIZE, away)))[0].T.astype(np.float32)
    inner = flat(rows)[0][:, None] * A @ (np.eye(SIZE) - without.T @ without)
    _, values, vectors = np.linalg.svd(inner)
    found = singular_directions(
        linear, Z, rows, 3, without.reshape(-1, *SHAPE), iterations=1000, tolerance=1e-7
    )
    np.testing.assert_allclose(found.values, values[:3], rtol=1e-4)
    cosines = np.abs(np.sum(flat(found.vectors) * vectors[:3], axis=1))
    np.testing.assert_allclose(cosines, 1.0, atol=1e-3)
    assert (flat(found.vectors).max(1) >= -flat(found.vectors).min(1)).all()


def test_of_a_subspace_they_span_it_and_no_more(subspace):
    """J = sqrt(alpha) UUᵀ: d singular values sqrt(alpha), the others 0."""
    signal = float(Subspace().schedule.level(500).signal)
    np.testing.assert_allclose(subspace.matrix(Z), signal * U @ U.T, atol=1e-5)
    found = singular_directions(subspace, Z, ALL, RANK + 2)
    wanted = [signal] * RANK + [0.0, 0.0]
    np.testing.assert_allclose(found.values, wanted, atol=1e-4)
    span = flat(found.vectors)[:RANK]
    angle = np.arccos(np.clip(np.linalg.svd(span @ U)[1].min(), -1, 1))
    assert angle < 1e-2


def test_an_exact_denoiser_has_the_covariance_that_is_left():
    """J = sqrt(alpha) Cov(x | z) / (1 - alpha), here of independent pixels."""
    toy = MixtureToy(image_shape=SHAPE)
    level = toy.schedule.level(500)
    z, a = np.float64(flat(Z)[0]), float(level.alpha)
    x = np.linspace(-2.0, 2.0, 20001)[:, None]
    density = sum(
        weight * np.exp(-((x - mean) ** 2) / (2 * toy.std**2))
        for mean, weight in zip(toy.means, toy.weights, strict=True)
    ) * np.exp(-((z - np.sqrt(a) * x) ** 2) / (2 * (1 - a)))
    density /= density.sum(0)
    variance = (x**2 * density).sum(0) - (x * density).sum(0) ** 2
    found = Derivative(toy, level).matrix(Z)
    np.testing.assert_allclose(
        found, np.diag(np.sqrt(a) * variance / (1 - a)), atol=1e-4
    )


def test_an_exact_denoiser_has_a_symmetric_positive_derivative():
    found = derivative_of(CorrelatedToy).matrix(Z)
    np.testing.assert_allclose(found, found.T, atol=1e-6)
    assert np.linalg.eigvalsh(found).min() > 0


def test_local_directions_leave_out_those_of_the_outside(linear):
    outside = singular_directions(linear, Z, 1.0 - LEFT, 5)
    found = local_directions(linear, Z, LEFT, 2, outside=5)
    inner = flat(found.vectors) @ flat(outside.vectors).T
    np.testing.assert_allclose(inner, 0.0, atol=1e-5)
    np.testing.assert_allclose(
        flat(found.vectors) @ flat(found.vectors).T, np.eye(2), atol=1e-5
    )
    v = RNG.standard_normal((2, *SHAPE)).astype(np.float32)
    once = projected(v, outside.vectors)
    np.testing.assert_allclose(projected(once, outside.vectors), once, atol=1e-5)
    # All of the outside left out: to first order it does not change.
    still = local_directions(linear, Z, LEFT, 2, outside=12)
    moved = flat(linear.forward(Z, tf.constant(still.vectors)))
    assert np.abs(moved * ~flat(LEFT)[0]).max() < 0.02 * np.abs(moved).max()


def test_moved_by_nothing_the_picture_comes_back_and_beside_the_rows_too():
    toy = Subspace(image_shape=SHAPE)
    grid = grid_below(toy.schedule, toy.schedule.grid(40), 500)
    assert int(grid.t[0]) == 500 and int(grid.size) > 10
    assert np.all(np.diff(grid.t) < 0)
    picture = tf.constant((U @ RNG.standard_normal(RANK)).reshape(1, *SHAPE), "float32")
    z = encode(toy, grid, [0], picture, iterations=8)
    vectors = singular_directions(Derivative(toy, grid.level(0)), z, ALL, 1).vectors
    beside = RNG.standard_normal((1, *SHAPE)).astype(np.float32)
    beside = projected(beside, U.T.reshape(RANK, *SHAPE))
    both = np.concatenate([vectors, beside / np.linalg.norm(beside)])
    made = edit_along(toy, grid, z, both, [-2.0, 0.0, 2.0]).numpy()
    back = sample_from(toy, DDIM(), grid, [0], z).numpy()
    np.testing.assert_allclose(made[[1, 4]], np.concatenate([back, back]), atol=1e-6)
    np.testing.assert_allclose(back, picture, atol=1e-3)
    np.testing.assert_allclose(made[3:], np.repeat(back, 3, axis=0), atol=1e-5)
    along = flat(made[:3]) @ flat(vectors)[0]
    assert along[0] < along[1] - 0.5 and along[1] < along[2] - 0.5


@pytest.mark.slow
def test_products_pass_a_network_that_is_kept_apart():
    from tiny_models import SHAPE as SMALL
    from tiny_models import small_denoiser

    denoise = small_denoiser()
    derivative = Derivative(denoise, denoise.schedule.level(500))
    z, v, u = (tf.random.stateless_normal([1, *SMALL], [0, i]) for i in range(3))
    forward, back = derivative.forward(z, v), derivative.transposed(z, u)
    matrix = derivative.matrix(z)
    np.testing.assert_allclose(
        np.ravel(forward), matrix @ np.ravel(v), atol=1e-4 * np.abs(forward).max()
    )
    np.testing.assert_allclose(
        np.sum(u * forward), np.sum(v * back), rtol=1e-3, atol=1e-4
    )
