"""Distillation by frequency: Parseval, weights of the clean picture's spectrum."""

import numpy as np
import tensorflow as tf
from small_networks import noisy, small_denoiser, small_network

from pdm_tf.objectives.feature_distillation import features_of
from pdm_tf.objectives.spectral_distillation import (
    SpectralDistillation,
    at_scales,
    frequency_weights,
    power_of,
    weighted_frequencies,
)

RNG = np.random.default_rng(0)
LABELS = tf.constant([0, 1, 3])


def test_without_weights_frequencies_are_pixels():
    error = tf.constant(RNG.normal(size=(3, 8, 4, 5)), tf.float32)
    weights = frequency_weights(noisy(3), (8, 4), 0.0)
    np.testing.assert_array_equal(weights, 1.0)
    wanted = np.mean(error.numpy() ** 2, axis=(1, 2, 3))
    np.testing.assert_allclose(weighted_frequencies(error, weights), wanted, rtol=1e-5)


def test_errors_count_by_the_inverse_of_what_the_picture_has_there():
    """A picture of a strong and a weak wave; errors at both, and at none of them."""
    waves = [np.cos(2 * np.pi * k * np.arange(16) / 16) for k in (2, 5, 7)]
    rows = [np.tile(wave, (16, 1))[None, :, :, None] for wave in waves]
    x = tf.constant(1.0 * rows[0] + 0.1 * rows[1], tf.float32)
    weights = frequency_weights(x, (16, 16), -1.0)
    np.testing.assert_allclose(tf.reduce_mean(weights), 1.0, rtol=1e-5)
    errors = [
        float(weighted_frequencies(tf.constant(row, tf.float32), weights)[0])
        for row in rows
    ]
    np.testing.assert_allclose(errors[1] / errors[0], 10.0, rtol=1e-3)
    np.testing.assert_allclose(errors[2] / errors[0], 100.0, rtol=1e-3)  # the floor


def test_weights_are_of_the_picture_at_the_features_grid():
    x = noisy(2)
    small = tf.reduce_mean(tf.reshape(x, [2, 8, 2, 8, 2, 1]), axis=[2, 4])
    np.testing.assert_allclose(
        frequency_weights(x, (8, 8), -1.0),
        frequency_weights(small, (8, 8), -1.0),
        rtol=1e-4,
    )
    assert power_of(x).shape == (2, 1, 16, 16)


def test_the_last_block_of_each_grid_is_compared_on_the_way_down_and_up():
    denoise = small_denoiser(apart=False)
    level = denoise.schedule.level([500] * 3)
    _, features = features_of(denoise, noisy(3), level, LABELS)
    found = at_scales(features)
    assert [f.shape[1] for f in found] == [8, 4, 8]
    assert found[-1] is features[-1]


def test_a_student_that_is_its_teacher_is_at_no_distance():
    network = small_network()
    teacher = small_denoiser(network, apart=False)
    level = teacher.schedule.level([500])
    _, features = features_of(teacher, noisy(1), level, LABELS[:1])
    objective = SpectralDistillation(
        teacher=teacher,
        student=small_denoiser(network, apart=False),
        variables={},
        aligners=[tf.Variable(tf.eye(f.shape[-1])) for f in at_scales(features)],
        spatial=0.5,
        frequency=0.25,
        power=-1.0,
        weighting="sqrt_snr",
        label_dropout=0.0,
        t_range=(0, 999),
    )
    x = tf.tanh(noisy(3))
    draws = objective.draw(0, tf.constant(3), 3)
    loss = objective(x, LABELS, draws)
    for name in ("spatial", "frequency"):
        np.testing.assert_allclose(loss.terms[name], 0.0, atol=1e-9)
    for aligner in objective.aligners:
        aligner.assign(0.9 * aligner)
    moved = objective(x, LABELS, draws)
    scales = len(objective.aligners)
    np.testing.assert_allclose(moved.terms["spatial"], 0.01 * scales, rtol=1e-3)
    wanted = moved.terms["simple"] + moved.terms["vlb"]
    wanted += 0.5 * moved.terms["spatial"] + 0.25 * moved.terms["frequency"]
    np.testing.assert_allclose(moved.total, wanted, rtol=1e-6)
