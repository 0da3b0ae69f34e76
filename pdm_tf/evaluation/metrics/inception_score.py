"""Inception score (arXiv 1606.03498), of a stream of class probabilities."""

import numpy as np
from scipy.special import xlogy

SPLIT = 5000  # pictures of a split, as in ADM's evaluator


def inception_score(probabilities: np.ndarray) -> float:
    """The score of class probabilities [N, K] of pictures, see `ScoreSums.score`."""
    sums = ScoreSums()
    sums.add(probabilities, np.zeros(len(probabilities), np.int64))
    return sums.score()


class ScoreSums:
    """Sums from which the score follows, for each split and each group of pictures.

    Args:
      groups: groups that the bootstrap may leave out or repeat.
    """

    def __init__(self, groups: int = 1) -> None:
        self.groups, self.seen = groups, 0
        self._splits: list[np.ndarray] = []  # each [groups, 2 + classes]

    def add(self, probabilities: np.ndarray, group: np.ndarray) -> None:
        """Probabilities [N, K] of the next pictures, and their groups int [N]."""
        while len(probabilities):
            if self.seen % SPLIT == 0:
                self._splits.append(np.zeros((self.groups, 2 + probabilities.shape[1])))
            room = SPLIT - self.seen % SPLIT
            p = probabilities[:room].astype(np.float64)
            rows = np.column_stack([np.ones(len(p)), xlogy(p, p).sum(axis=1), p])
            np.add.at(self._splits[-1], group[:room], rows)
            self.seen += len(p)
            probabilities, group = probabilities[room:], group[room:]

    @property
    def classes(self) -> int:
        """Classes among which the probabilities are; 0 before any came."""
        return self._splits[0].shape[1] - 2 if self._splits else 0

    def score(self, weights: np.ndarray | None = None) -> float:
        """Mean over the splits of exp(mean KL(p(y|x) || p(y))).

        Splits are of 5,000 pictures in their order; the last one, if smaller, counts
        as fully as the others.

        Args:
          weights: int [groups], how often each group counts; None for once.
        """
        weights = np.ones(self.groups) if weights is None else weights
        scores = []
        for split in self._splits:
            count, entropy, *sums = weights @ split
            if count:
                p = np.array(sums) / count
                scores.append(np.exp(entropy / count - xlogy(p, p).sum()))
        return float(np.mean(scores))
