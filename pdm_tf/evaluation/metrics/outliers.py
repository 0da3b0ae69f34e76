"""How far points lie from others: the mean distance to the k nearest (AvgkNN)."""

import numpy as np

NEIGHBOURS = 5
_ROWS = 512  # of a block of distances


def neighbour_distance(
    points: np.ndarray,
    others: np.ndarray,
    neighbours: int = NEIGHBOURS,
    themselves: bool = False,
) -> np.ndarray:
    """The mean distance of each point to its k nearest of others: float64 [N].

    Args:
      points: [N, D].
      others: [M, D], more than k of them.
      neighbours: k.
      themselves: the points are the others, and none is its own neighbour.
    """
    points, others = (np.asarray(part, np.float64) for part in (points, others))
    squares, found = np.sum(np.square(others), axis=1), np.empty(len(points))
    kept = neighbours + themselves
    for first in range(0, len(points), _ROWS):
        rows = slice(first, first + _ROWS)
        block = squares - 2.0 * points[rows] @ others.T
        near = np.argpartition(block, kept - 1, axis=1)[:, :kept]
        # Exactly, since a difference of large squares says little of what is near.
        exact = np.linalg.norm(points[rows, None] - others[near], axis=2)
        exact.sort(axis=1)
        found[rows] = exact[:, kept - neighbours :].mean(axis=1)
    return found
