"""Which layer gets which of several formats within a budget, by an integer program.

Each layer takes one choice; the sum of their scores is the largest that the sum of
their costs allows (arXiv 2405.17873). Solved by HiGHS, through `scipy.optimize.milp`.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

# Shares of the budget that may be left unused, tried one after the other: coarse costs
# may have no sum that meets it exactly.
BANDS = (0.0, 0.001, 0.01, 0.02, 1.0)
SECONDS = 20.0  # for each; what is best by then is taken


def allocate(
    scores: np.ndarray, costs: np.ndarray, budget: int, exact: bool = True
) -> np.ndarray | None:
    """The choice of each layer, int [L]; None where every one costs too much.

    The budget is never exceeded. It is met exactly where the costs have such a sum,
    and otherwise as closely as `BANDS` say.

    Args:
      scores: [L, C] of each layer and choice, higher is better; they add up.
      costs: the same of costs, integers.
      budget: of all layers together.
      exact: whether it is to be used up; otherwise only the scores count.
    """
    unit = max(1, int(np.gcd.reduce(costs, axis=None)))
    layers, choices = scores.shape
    gains = scores - scores.min(axis=1, keepdims=True)
    gains = gains / max(gains.max(), 1e-30)
    each = LinearConstraint(np.kron(np.eye(layers), np.ones(choices)), 1, 1)
    row, most = (costs // unit).reshape(1, -1), budget // unit
    for band in BANDS if exact else BANDS[-1:]:
        least = -np.inf if band == 1.0 else np.ceil((1.0 - band) * budget / unit)
        found = milp(
            -gains.ravel(),
            integrality=np.ones(gains.size),
            bounds=Bounds(0, 1),
            constraints=[each, LinearConstraint(row, least, most)],
            options={"time_limit": SECONDS},
        )
        if found.x is not None:
            return found.x.reshape(layers, choices).argmax(axis=1)
    return None


class Group(NamedTuple):
    """Layers that share a budget of bits of weights.

    Attributes:
      paths: of the layers.
      sizes: weights of each, int [L].
      scores: [L, C] of each at each choice of bits, higher is better; they add up.
    """

    paths: list[str]
    sizes: np.ndarray
    scores: np.ndarray

    def solve(self, choices: Sequence[int], budget: int) -> dict[str, int] | None:
        """Bits of each layer; None where the budget is too small."""
        costs = self.sizes[:, None] * np.array(choices, np.int64)
        found = allocate(self.scores, costs, budget)
        if found is None:
            return None
        return {path: choices[i] for path, i in zip(self.paths, found, strict=True)}

    def bits(self, given: Mapping[str, int]) -> int:
        """All bits of the group's weights."""
        return sum(
            given[path] * int(size)
            for path, size in zip(self.paths, self.sizes, strict=True)
        )


def split_budget(
    choices: Sequence[int], mean: int, k: float, content: Group, rest: Group
) -> dict[str, int] | None:
    """Bits of all layers, those of content having k times the others' in the mean.

    Args:
      choices: of bits.
      mean: over the weights of all layers.
      k: content's mean over the others'.
      content: the layers that make content.
      rest: the others.
    """
    inner, outer = int(content.sizes.sum()), int(rest.sizes.sum())
    whole, ratio = mean * (inner + outer), inner / outer
    wanted = k * mean * (1 + ratio) / (k * ratio + 1) * inner
    least = max(min(choices) * inner, whole - max(choices) * outer)
    most = min(max(choices) * inner, whole - min(choices) * outer)
    first = content.solve(choices, int(np.clip(wanted, least, most)))
    if first is None:
        return None
    second = rest.solve(choices, whole - content.bits(first))
    return None if second is None else first | second


def left_float(
    paths: Sequence[str], noise: np.ndarray, work: Sequence[int], share: float
) -> list[str]:
    """The layers that stay float32: most noise removed for a share of the work.

    Args:
      paths: of the layers.
      noise: that each adds when it is rounded, [L].
      work: multiplications of each.
      share: of all multiplications that may be done in float32.
    """
    costs = np.stack([np.zeros(len(work), np.int64), np.array(work, np.int64)], axis=1)
    scores = np.stack([-noise, np.zeros(len(noise))], axis=1)
    found = allocate(scores, costs, int(share * sum(work)), exact=False)
    assert found is not None  # to leave none float32 costs nothing
    return [p for p, i, n in zip(paths, found, noise, strict=True) if i and n > 0]
