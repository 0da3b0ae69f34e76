"""TopKLD, and what the records of BinaryDM and of bits over sizes are made into."""

import numpy as np
import pytest
import tensorflow as tf

from experiments import binary, bit_scaling
from experiments.top_kl import forward_kl, top_kl

RNG = np.random.default_rng(0)
TOKENS = 8


def distributions(rows=5):
    return tf.nn.softmax(tf.constant(RNG.normal(0, 2, (rows, TOKENS)), tf.float64))


@pytest.mark.parametrize("k", [1, 3, TOKENS])
@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 2.0])
def test_it_is_positive_and_nothing_between_equals(k, beta):
    p, q = distributions(), distributions()
    assert (top_kl(p, q, k, beta).numpy() > -1e-9).all()
    np.testing.assert_allclose(top_kl(p, p, k, beta), 0, atol=1e-9)
    if beta:  # without the rest two distributions may differ there
        assert (top_kl(p, q, k, beta).numpy() > 0).all()


def test_it_is_forward_kl_where_all_count_alike():
    p, q = distributions(), distributions()
    for k, beta in ((TOKENS, 2.0), (TOKENS, 0.0), (3, 1.0)):
        np.testing.assert_allclose(top_kl(p, q, k, beta), forward_kl(p, q), rtol=1e-6)


def test_it_is_the_sum_that_defines_it():
    p, q = distributions(1).numpy()[0], distributions(1).numpy()[0]
    best = np.argsort(-p)[:3]
    rest = np.setdiff1d(np.arange(TOKENS), best)
    mass_p, mass_q = p[rest].sum(), q[rest].sum()
    wanted = (p[best] * np.log(p[best] / q[best])).sum()
    wanted += mass_p * np.log(mass_p / mass_q)
    a, b = p[rest] / mass_p, q[rest] / mass_q
    wanted += 2.0 * mass_p * (a * np.log(a / b)).sum()
    np.testing.assert_allclose(top_kl(p[None], q[None], 3, 2.0), [wanted], rtol=1e-6)


def test_the_order_of_the_best_tokens_is_nothing():
    p, q = distributions(1).numpy(), distributions(1).numpy()
    order = np.arange(TOKENS)
    best = np.argsort(-p[0])[:3]
    order[best] = np.roll(best, 1)
    moved = top_kl(p[:, order], q[:, order], 3, 2.0)
    np.testing.assert_allclose(moved, top_kl(p, q, 3, 2.0))


def test_of_equal_probabilities_k_count():
    p = tf.fill([1, TOKENS], tf.constant(1 / TOKENS, tf.float64))
    q = distributions(1)
    np.testing.assert_allclose(top_kl(p, q, 3, 1.0), forward_kl(p, q), rtol=1e-6)


def test_its_gradient_is_that_of_differences():
    p, logits = distributions(1), tf.Variable(RNG.normal(size=(1, TOKENS)))

    def loss():
        return tf.reduce_sum(top_kl(p, tf.nn.softmax(logits), 3, 2.0))

    with tf.GradientTape() as tape:
        value = loss()
    found, start = tape.gradient(value, logits).numpy()[0], logits.numpy()
    for i in range(TOKENS):
        ends = []
        for step in (1e-5, -1e-5):
            logits.assign(start + step * np.eye(TOKENS)[i])
            ends.append(float(loss()))
        assert found[i] == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-4, abs=1e-7)


def rows_of(ratios, iterations=2000, smaller=24.0):
    shared = {"data": "mnist", "iterations": iterations, "smaller": smaller}
    return [
        {"name": f"{arm}, seed {seed}", "arm": arm, "distance": distance, **shared}
        | {"batch_size": 32}
        for seed, ratio in enumerate(ratios)
        for arm, distance in (("binarydm", 100 * ratio), ("plain signs", 100.0))
    ]


@pytest.mark.parametrize(
    ("rows", "holds"),
    [
        (rows_of([0.5, 0.52, 0.48]), True),
        (rows_of([0.95, 0.97, 0.99]), False),
        (rows_of([0.6, 0.8, 1.0]), "undecided"),
        (rows_of([0.5]), "undecided"),  # one seed
        (rows_of([0.5, 0.52, 0.48], iterations=150), "undecided"),
        (rows_of([0.5, 0.52, 0.48], smaller=19.0), False),
    ],
)
def test_a_bar_holds_by_three_seeds_and_all_steps(rows, holds):
    assert binary.verdict(rows)["holds"] == holds


def test_ratios_are_to_the_same_size_in_float32():
    rows = [
        {"data": f"width {w}", "bits": bits, "distance": d}
        for w, bits, d in ((8, 32, 10.0), (8, 4, 15.0), (16, 32, 5.0), (16, 4, 6.0))
    ]
    assert bit_scaling.sizes_of(rows) == ["width 8", "width 16"]
    assert bit_scaling.ratios_of(rows, "width 8")[4] == 1.5
