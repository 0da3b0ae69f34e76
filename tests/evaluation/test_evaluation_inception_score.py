"""The inception score against its definition, split by split."""

import numpy as np
import pytest

from pdm_tf.evaluation.metrics.inception_score import SPLIT, ScoreSums


def probabilities(count: int, classes: int = 10, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.dirichlet(np.full(classes, 0.2), count)


def reference_score(p: np.ndarray) -> float:
    """ADM's definition with loops: mean over splits of exp(mean of KL)."""
    scores = []
    for start in range(0, len(p), SPLIT):
        part = p[start : start + SPLIT]
        marginal = part.mean(axis=0)
        divergences = [np.sum(row * (np.log(row) - np.log(marginal))) for row in part]
        scores.append(np.exp(np.mean(divergences)))
    return float(np.mean(scores))


def score(p: np.ndarray, batch: int, groups: int = 1) -> float:
    sums = ScoreSums(groups)
    random = np.random.default_rng(1)
    for start in range(0, len(p), batch):
        part = p[start : start + batch]
        sums.add(part, random.integers(groups, size=len(part)))
    return sums.score()


@pytest.mark.parametrize("count", [1, 100, SPLIT, SPLIT + 1, 2 * SPLIT + 700])
def test_equals_definition(count):
    p = probabilities(count)
    assert score(p, 64) == pytest.approx(reference_score(p), rel=1e-11)


def test_batches_and_groups_do_not_matter():
    p = probabilities(SPLIT + 300)
    expected = score(p, len(p))
    for batch, groups in ((1000, 1), (77, 8), (len(p), 64)):
        assert score(p, batch, groups) == pytest.approx(expected, rel=1e-12)


def test_golden_cases():
    sure = np.eye(10)[np.arange(1000) % 10]
    assert score(sure, 64) == pytest.approx(10, rel=1e-12)  # sure, and all classes
    assert score(sure[:1].repeat(50, axis=0), 64) == pytest.approx(1)  # sure, but one
    assert score(np.full((50, 10), 0.1), 64) == pytest.approx(1)  # never sure


def test_weights_repeat_groups():
    p, group = probabilities(300), np.arange(300) % 3
    sums = ScoreSums(3)
    sums.add(p, group)
    repeated = np.concatenate([p[group == 0], p[group == 0], p[group == 2]])
    expected = reference_score(repeated)
    assert sums.score(np.array([2, 0, 1])) == pytest.approx(expected, rel=1e-11)
