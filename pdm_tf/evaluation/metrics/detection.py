"""How well a score tells two kinds of pictures apart."""

import numpy as np


def auroc(scores: np.ndarray, positive: np.ndarray) -> float:
    """Area under the receiver's curve: how often a positive has the higher score.

    Args:
      scores: float [N].
      positive: bool [N]; both kinds are there.

    Returns:
      In [0, 1], ties counting half.

    Raises:
      ValueError: one kind alone.
    """
    high, low = scores[positive], scores[~positive]
    if not len(high) or not len(low):
        raise ValueError("auroc: both kinds of pictures are needed")
    above = (high[:, None] > low).mean() + 0.5 * (high[:, None] == low).mean()
    return float(above)
