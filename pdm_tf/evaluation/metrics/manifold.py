"""Precision and recall on estimated manifolds (arXiv 1904.06991), as ADM counts them.

A manifold is the union of balls about the features of a set, each as large as the
distance to the k-th nearest neighbour of its centre within the set, k = 3. Precision
is the share of samples in the reference's manifold, recall that of the reference in
the samples'.
"""

from collections.abc import Iterator

import numpy as np

from pdm_tf.evaluation.features.extractor import Extractor, pooled_of

NEIGHBOURS = 3
ROWS, COLUMNS = 1024, 8192  # of a block of distances: 64 MiB of float64
HALF_BLOCK = 10_000  # rows and columns that ADM's evaluator rounds together
SLACK = 1e-9  # relative; two ways to round one distance must not decide


def precision_recall(
    samples: np.ndarray, reference: np.ndarray, extractor: Extractor
) -> tuple[float, float]:
    """Precision and recall of pictures uint8 [N, H, W, C], more than 3 of each."""
    inside = members(pooled_of(samples, extractor), pooled_of(reference, extractor))
    return float(inside[0].mean()), float(inside[1].mean())


def inside_manifold(
    points: np.ndarray, centres: np.ndarray, radii: np.ndarray, half: bool = False
) -> np.ndarray:
    """Whether each point [N, D] lies in the manifold of centres [M, D]: bool [N]."""
    slack = 0.0 if half else SLACK
    inside = np.zeros(len(points), bool)
    for rows, columns, squared in _distances(points, centres, half):
        inside[rows] |= (squared <= radii[columns] * (1 + slack)).any(axis=1)
    return inside


def manifold_radii(points: np.ndarray, half: bool = False) -> np.ndarray:
    """Squared distance of each point [N, D] to its third neighbour: float64 [N].

    The point itself, at distance 0, is not counted as a neighbour; a copy of it is.
    """
    kept = NEIGHBOURS + 1
    nearest = np.full((len(points), kept), np.inf)
    for rows, _, squared in _distances(points, points, half):
        if squared.shape[1] > kept:
            squared = np.partition(squared, kept - 1, axis=1)[:, :kept]
        both = np.concatenate([nearest[rows], squared], axis=1)
        nearest[rows] = np.partition(both, kept - 1, axis=1)[:, :kept]
    return nearest.max(axis=1)


def members(
    samples: np.ndarray, reference: np.ndarray, half: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Which pictures lie in the other set's manifold.

    Args:
      samples: features [N, D], N > 3.
      reference: features [M, D], M > 3.
      half: round distances to half precision like ADM's evaluator, but for the order
        of its sums, see `_half_block`.

    Returns:
      bool [N] whose mean is the precision, bool [M] whose mean is the recall.
    """
    return (
        inside_manifold(samples, reference, manifold_radii(reference, half), half),
        inside_manifold(reference, samples, manifold_radii(samples, half), half),
    )


def _distances(
    x: np.ndarray, y: np.ndarray, half: bool
) -> Iterator[tuple[slice, slice, np.ndarray]]:
    """Squared distances [rows, columns] of x [N, D] from y [M, D], block by block."""
    height, width = (HALF_BLOCK, HALF_BLOCK) if half else (ROWS, COLUMNS)
    block = _half_block if half else _block
    for i in range(0, len(x), height):
        for j in range(0, len(y), width):
            rows, columns = slice(i, i + height), slice(j, j + width)
            yield rows, columns, block(x[rows], y[columns])


def _block(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    x, y = x.astype(np.float64), y.astype(np.float64)
    centre = y.mean(axis=0)  # small numbers round better
    x, y = x - centre, y - centre
    norms = _norms(x)[:, None] + _norms(y)
    squared = x @ y.T
    squared *= -2
    squared += norms
    # What is left of equal rows is rounding, and would decide between copies.
    squared[squared < 1e-13 * norms] = 0
    return squared


def _half_block(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Half precision, its products summed in single, as accelerators do.

    A block with an overflow is computed in single precision instead. ADM's graph sums
    the squares of the norms in half precision, in an order that each device chooses:
    its products are these, its norms differ by a step of half precision or two (on a
    processor, of 2,048 features, in one row of four), and so may single members.
    """
    a, b = (rows.astype(np.float16).astype(np.float32) for rows in (x, y))
    with np.errstate(over="ignore", invalid="ignore"):
        norm_a, norm_b = _norms(a).astype(np.float16), _norms(b).astype(np.float16)
        products = (a @ b.T).astype(np.float16)
        squared = (norm_a[:, None] - np.float16(2) * products) + norm_b
    if not np.isfinite(squared).all():
        a, b = x.astype(np.float32), y.astype(np.float32)
        squared = _norms(a)[:, None] - 2 * (a @ b.T) + _norms(b)
    return np.maximum(squared.astype(np.float32), 0)


def _norms(rows: np.ndarray) -> np.ndarray:
    return np.einsum("nd,nd->n", rows, rows)
