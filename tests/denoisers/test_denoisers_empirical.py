"""The optimal denoiser of a data set: brute force in float64, and its limits."""

import numpy as np
import pytest
import tensorflow as tf
from reference_diffusion import alphas, bayes

from pdm_tf.config import InputError
from pdm_tf.data.images import to_float
from pdm_tf.denoisers import EmpiricalDenoiser
from pdm_tf.diffusion import NoiseLevel, NoiseSchedule
from pdm_tf.samplers import DDIM, sample

SCHEDULE = NoiseSchedule.linear()
COUNT, SHAPE, CLASSES = 37, (4, 3, 1), 3
BYTES = np.random.default_rng(0).integers(0, 256, (COUNT, *SHAPE), np.uint8)
LABELS = np.arange(COUNT) % CLASSES
TIMES = (0, 50, 300, 700, 999)


def over_bytes(chunk_size=1024):
    return EmpiricalDenoiser(BYTES, SCHEDULE, LABELS, CLASSES, chunk_size, to_float)


def noisy(t, seed=1, count=5):
    """z of the first pictures at timestep t."""
    level = SCHEDULE.level(t)
    eps = np.random.default_rng(seed).normal(size=(count, *SHAPE))
    x = to_float(BYTES[:count])
    return (float(level.signal) * x + float(level.noise) * eps).astype(np.float32)


def brute_force(z, x, t):
    """Mean and variance of q(x | z) of one picture, from all distances in float64."""
    alpha = alphas(SCHEDULE.betas)[0][t]
    z, x = z.astype(np.float64).ravel(), x.astype(np.float64).reshape(len(x), -1)
    gaps = ((z - np.sqrt(alpha) * x) ** 2).sum(axis=1)
    weights = np.exp(-(gaps - gaps.min()) / (2 * (1 - alpha)))
    weights /= weights.sum()
    mean = weights @ x
    return mean, weights @ (x - mean) ** 2


def best_log_variance(spread, t):
    """The step's variance that minimises its divergence, within both bounds."""
    alpha, before = alphas(SCHEDULE.betas)
    c = bayes(0.0, 1.0, alpha[t], before[t])[0] if t else 1.0
    tilde = bayes(0.0, 0.0, alpha[t], before[t])[1] if t else 0.0
    floor = bayes(0.0, 0.0, alpha[max(t, 1)], before[max(t, 1)])[1]
    best = np.clip(tilde + c**2 * spread, floor, SCHEDULE.betas[t])
    return np.log(best), np.log(floor), np.log(SCHEDULE.betas[t])


@pytest.mark.parametrize("chunk_size", [1, 10, 36, 37, 100])
def test_equals_brute_force_for_any_chunk_size(chunk_size):
    denoise, x = over_bytes(chunk_size), to_float(BYTES)
    for t in TIMES:
        z = noisy(t)
        found = denoise(z, SCHEDULE.level(t))
        for n in range(len(z)):
            mean, spread = brute_force(z[n], x, t)
            np.testing.assert_allclose(found.x[n].numpy().ravel(), mean, atol=2e-6)
            best, tilde, beta = best_log_variance(spread, t)
            share = found.variance[n].numpy().ravel()
            np.testing.assert_allclose(
                share * tilde + (1 - share) * beta, best, atol=1e-4
            )


def test_each_picture_may_have_its_own_level():
    denoise, z = over_bytes(10), np.concatenate([noisy(t, count=1) for t in TIMES])
    together = denoise(z, SCHEDULE.level(TIMES))
    for n, t in enumerate(TIMES):
        alone = denoise(z[n : n + 1], SCHEDULE.level(t))
        for a, b in zip(together, alone, strict=True):
            np.testing.assert_allclose(a[n], b[0], atol=1e-6)


def test_at_the_least_noise_the_nearest_picture_is_returned():
    denoise, x = over_bytes(10), to_float(BYTES)
    np.testing.assert_array_equal(denoise(noisy(0), SCHEDULE.level(0)).x, x[:5])
    z = np.random.default_rng(3).normal(size=(40, *SHAPE)).astype(np.float32)
    gaps = ((z[:, None] - x[None]) ** 2).sum(axis=(2, 3, 4))
    clean = NoiseLevel(tf.constant(0), tf.constant(np.inf))
    np.testing.assert_array_equal(denoise(z, clean).x, x[gaps.argmin(axis=1)])


def test_at_the_most_noise_the_mean_is_returned():
    denoise, mean = over_bytes(10), to_float(BYTES).mean(axis=0)
    z = np.random.default_rng(3).normal(size=(4, *SHAPE)).astype(np.float32)
    gone = NoiseLevel(tf.constant(999), tf.constant(-np.inf))
    np.testing.assert_allclose(
        denoise(z, gone).x, np.stack([mean] * 4), rtol=0, atol=1e-6
    )
    found = denoise(z, SCHEDULE.level(999)).x.numpy()
    assert np.abs(found - mean).max() < 0.02
    assert np.abs(denoise(z, SCHEDULE.level(500)).x - mean).max() > 0.02


@pytest.mark.parametrize("chunk_size", [1, 10])
def test_told_a_class_it_knows_that_class_alone(chunk_size):
    denoise = over_bytes(chunk_size)
    for t in (0, 400, 999):
        z = noisy(t)
        conditioned = denoise.conditioned([1, 2, 0, CLASSES, CLASSES])(
            z, SCHEDULE.level(t)
        )
        unconditional = denoise(z, SCHEDULE.level(t))
        for n, label in enumerate((1, 2, 0)):  # not their own
            own = EmpiricalDenoiser(to_float(BYTES[label == LABELS]), SCHEDULE)
            alone = own(z[n : n + 1], SCHEDULE.level(t))
            np.testing.assert_allclose(conditioned.x[n], alone.x[0], atol=1e-6)
            assert np.abs(conditioned.x[n] - unconditional.x[n]).max() > 1e-3
        np.testing.assert_array_equal(conditioned.x[3:], unconditional.x[3:])


def test_over_normal_data_it_tends_to_the_closed_form():
    std, t = 0.3, 200
    level, draw = SCHEDULE.level(t), np.random.default_rng(4)
    alpha = float(level.alpha)
    total = alpha * std**2 + 1 - alpha
    z = np.sqrt(total) * draw.normal(size=(50, 1, 2, 1)).astype(np.float32)
    expected = np.sqrt(alpha) * std**2 / total * z
    log_variance, tilde, beta = best_log_variance(std**2 * (1 - alpha) / total, t)
    expected_share = (beta - log_variance) / (beta - tilde)
    errors, shares = [], []
    for count in (300, 30_000):
        x = std * draw.normal(size=(count, 1, 2, 1))
        found = EmpiricalDenoiser(x, SCHEDULE)(z, level)
        errors.append(np.sqrt(np.mean((found.x - expected) ** 2)))
        shares.append(np.sqrt(np.mean((found.variance - expected_share) ** 2)))
    assert errors[1] < 0.01 < errors[0]  # as 1 / sqrt(count): a tenth
    assert 0.1 < expected_share < 0.9
    assert shares[1] < 0.02 < shares[0]


def test_a_walk_ends_on_a_picture_of_the_data():
    denoise = over_bytes()
    drawn = sample(denoise, DDIM(), SCHEDULE.grid(40), range(8), SHAPE).numpy()
    gaps = np.abs(drawn[:, None] - to_float(BYTES)[None]).max(axis=(2, 3, 4))
    assert gaps.min(axis=1).max() < 1e-3
    assert len(set(gaps.argmin(axis=1))) > 3


def test_one_graph_serves_all_levels_and_holds_no_pictures():
    denoise = EmpiricalDenoiser(np.zeros((2000, 16, 16, 1), np.float32), SCHEDULE)

    @tf.function
    def ask(z, t):
        return denoise(z, SCHEDULE.level(t)).x

    for t in TIMES:
        z = np.ones((2, 16, 16, 1), np.float32)
        np.testing.assert_allclose(ask(z, tf.constant(t)), 0.0)
    assert ask.experimental_get_tracing_count() == 1
    graph = ask.get_concrete_function(z, tf.constant(0)).graph
    assert graph.as_graph_def().ByteSize() < 200_000  # pictures are 2 MB


@pytest.mark.parametrize("compiled", [False, True])
def test_graph_and_compiler_agree_with_eager_code(compiled):
    denoise, labels = over_bytes(10), tf.constant([0, 1, 2, 3, 3])
    ask = tf.function(
        lambda z, t: denoise.conditioned(labels)(z, SCHEDULE.level(t)),
        jit_compile=compiled,
    )
    for t in (0, 300):
        found = ask(noisy(t), tf.constant(t))
        eager = denoise.conditioned(labels)(noisy(t), SCHEDULE.level(t))
        np.testing.assert_allclose(found.x, eager.x, atol=1e-6)
        # A share of two bounds that are 0.5 % apart at t = 300.
        np.testing.assert_allclose(found.variance, eager.variance, atol=5e-3)


def test_far_away_nothing_overflows():
    found = over_bytes(10)(np.full((1, *SHAPE), 1e6, np.float32), SCHEDULE.level(0))
    assert np.isfinite(found.x).all() and np.isfinite(found.variance).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pictures": BYTES[:0]}, "give one at least"),
        ({"pictures": BYTES[0]}, r"\[N, H, W, C\]"),
        ({"chunk_size": 0}, "chunk of 1"),
        ({"labels": LABELS[:5], "num_classes": 3}, "5 labels for 37 pictures"),
        ({"labels": LABELS, "num_classes": 4}, r"\[3\] do not match"),
        ({"labels": LABELS, "num_classes": 2}, r"\[2\] do not match"),
        ({"num_classes": 2}, "0 labels"),
    ],
)
def test_data_that_make_no_denoiser_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        EmpiricalDenoiser(**{"pictures": BYTES, "schedule": SCHEDULE, **arguments})


def test_without_classes_labels_are_refused():
    with pytest.raises(InputError, match="no classes"):
        EmpiricalDenoiser(to_float(BYTES), SCHEDULE).conditioned([0])
