"""Whether samples are copies of training pictures: their nearest neighbours."""

from typing import NamedTuple

import numpy as np

RATIO = 1 / 3  # of distances, below which a sample counts as a copy
_ROWS = 512  # of a block of distances


class Neighbours(NamedTuple):
    """The nearest of one set for each point of another."""

    number: np.ndarray  # int64 [N]: which of them
    distance: np.ndarray  # float64 [N]
    ratio: np.ndarray  # float64 [N] in 0 … 1: to the distance of the second nearest


def nearest(points: np.ndarray, others: np.ndarray) -> Neighbours:
    """The nearest of others [M, D], two or more, for each point [N, D].

    A sample whose nearest training picture is at less than a third of the distance of
    the second nearest counts as memorised (Yoon et al. 2023, "Diffusion probabilistic
    models generalize when they fail to memorize"): the ratio knows how far pictures of
    a set are from each other anyway.
    """
    points, others = (np.asarray(part, np.float64) for part in (points, others))
    squares = np.sum(np.square(others), axis=1)
    number = np.empty(len(points), np.int64)
    distances = np.empty((len(points), 2))
    for first in range(0, len(points), _ROWS):
        rows = slice(first, first + _ROWS)
        block = squares - 2.0 * points[rows] @ others.T
        two = np.argpartition(block, 1, axis=1)[:, :2]
        # Exactly, since a difference of large squares says little of a copy.
        exact = np.linalg.norm(points[rows, None] - others[two], axis=2)
        order = np.argsort(exact, axis=1, kind="stable")
        distances[rows] = np.take_along_axis(exact, order, 1)
        number[rows] = np.take_along_axis(two, order, 1)[:, 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = distances[:, 0] / distances[:, 1]
    return Neighbours(number, distances[:, 0], np.nan_to_num(ratio, nan=1.0))


def memorised_share(found: Neighbours) -> float:
    """Share of points that count as copies."""
    return float(np.mean(found.ratio < RATIO))
