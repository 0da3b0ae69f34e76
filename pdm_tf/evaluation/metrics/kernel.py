"""Kernel inception distance (KID: arXiv 1801.01401, section 4)."""

import numpy as np

from pdm_tf.evaluation.features.extractor import Extractor, pooled_of

SUBSETS, SUBSET = 100, 1000  # as its authors and the common tools have it


def kernel_distance(
    samples: np.ndarray, reference: np.ndarray, extractor: Extractor, seed: int = 0
) -> float:
    """KID of pictures uint8 [N, H, W, C], two or more of each; see `kid`."""
    return kid(pooled_of(samples, extractor), pooled_of(reference, extractor), seed)


def kid(
    samples: np.ndarray,
    reference: np.ndarray,
    seed: int = 0,
    subsets: int = SUBSETS,
    size: int = SUBSET,
) -> float:
    """Mean squared maximum mean discrepancy of random subsets of features.

    Where both sets are no larger than a subset, all are taken once. Unlike the Fréchet
    distance it has no bias for few pictures; it may be below 0.

    Args:
      samples: pooled features [N, D].
      reference: the same of the pictures to compare with [M, D].
      seed: of the subsets.
      subsets: how many.
      size: features of each, or as many as there are.
    """
    size = min(size, len(samples), len(reference))
    if size == max(len(samples), len(reference)):
        return squared_discrepancy(samples, reference)
    random = np.random.default_rng(seed)
    each = [
        squared_discrepancy(
            samples[random.choice(len(samples), size, replace=False)],
            reference[random.choice(len(reference), size, replace=False)],
        )
        for _ in range(subsets)
    ]
    return float(np.mean(each))


def squared_discrepancy(x: np.ndarray, y: np.ndarray) -> float:
    """Unbiased MMD² with the kernel (x·y / D + 1)³ (equation 4 there).

    Args:
      x: [N, D], N at least 2.
      y: [M, D].
    """
    x, y = (np.asarray(part, np.float64) for part in (x, y))
    between = float(_kernel(x, y).mean())
    return _within(x) + _within(y) - 2.0 * between


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x @ y.T / x.shape[1] + 1.0) ** 3


def _within(x: np.ndarray) -> float:
    """Mean of the kernel over pairs of different rows."""
    whole, count = _kernel(x, x), len(x)
    return float((whole.sum() - np.trace(whole)) / (count * (count - 1)))
