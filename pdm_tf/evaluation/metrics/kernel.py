"""Kernel inception distance (KID: arXiv 1801.01401, section 4)."""

import numpy as np

from pdm_tf.evaluation.features.extractor import Extractor, pooled_of

SUBSETS, SUBSET = 100, 1000  # as its authors and the common tools have it
MOST = 5000  # pictures of a set whose pairs are all taken


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


class GroupedDiscrepancy:
    """The squared discrepancy of two sets, for resamplings of groups of them.

    It is taken of all pairs of the first `MOST` of each set, which has the mean of
    `kid` and less chance in it. A picture is never paired with a copy of itself.

    Args:
      x: [N, D].
      x_groups: of each, int64 [N], counted from 0.
      y: [M, D].
      y_groups: likewise.
    """

    def __init__(
        self,
        x: np.ndarray,
        x_groups: np.ndarray,
        y: np.ndarray,
        y_groups: np.ndarray,
    ) -> None:
        x, y = (np.asarray(part[:MOST], np.float64) for part in (x, y))
        self._of_x, self._of_y = (
            np.eye(groups.max() + 1)[groups[:MOST]] for groups in (x_groups, y_groups)
        )
        self._between = _by_group(x, self._of_x, y, self._of_y)
        self._x = _by_group(x, self._of_x, x, self._of_x), _own(x) @ self._of_x
        self._y = _by_group(y, self._of_y, y, self._of_y), _own(y) @ self._of_y

    def __call__(self, first: np.ndarray | None, second: np.ndarray | None) -> float:
        """The estimate where each group counts so often; None: each once."""
        u, v = (
            np.ones(of.shape[1]) if given is None else given[: of.shape[1]]
            for given, of in ((first, self._of_x), (second, self._of_y))
        )
        many, few = self._of_x.sum(0), self._of_y.sum(0)
        between = u @ self._between @ v / ((u @ many) * (v @ few))
        within = _mean_of_pairs(self._x, u, many) + _mean_of_pairs(self._y, v, few)
        return float(within - 2 * between)


def _mean_of_pairs(
    sums: tuple[np.ndarray, np.ndarray], weights: np.ndarray, counts: np.ndarray
) -> float:
    whole, own = sums
    pairs = (weights @ counts) ** 2 - weights**2 @ counts
    return float((weights @ whole @ weights - weights**2 @ own) / pairs)


def _by_group(
    x: np.ndarray, of_x: np.ndarray, y: np.ndarray, of_y: np.ndarray
) -> np.ndarray:
    """Sums of the kernel by groups of both, in blocks."""
    blocks = range(0, len(x), SUBSET)
    rows = (slice(first, first + SUBSET) for first in blocks)
    return sum(of_x[r].T @ (_kernel(x[r], y) @ of_y) for r in rows)


def _own(x: np.ndarray) -> np.ndarray:
    """The kernel of each with itself."""
    return (np.sum(np.square(x), axis=1) / x.shape[1] + 1.0) ** 3
