"""What turns pictures into numbers."""

from typing import Any, NamedTuple, Protocol

import numpy as np


class Features(NamedTuple):
    """Of a batch of pictures, float32."""

    pooled: np.ndarray  # [N, D], what the Fréchet distance, precision, recall compare
    spatial: np.ndarray  # [N, S], a coarse map, for the spatial distance
    probabilities: np.ndarray | None  # [N, K] of classes, for the inception score


class Extractor(Protocol):
    """A fixed function of pictures; each picture's features are its own.

    Attributes:
      name: as `--features` takes it.
      sizes: D and S.
    """

    name: str
    sizes: tuple[int, int]

    def describe(self) -> dict[str, Any]:
        """What a report must say for others to compare with it."""

    def __call__(self, pictures: np.ndarray) -> Features:
        """uint8 [N, H, W, C] -> features; InputError for a shape it cannot read."""


def pooled_of(
    pictures: np.ndarray, extractor: Extractor, batch: int = 500
) -> np.ndarray:
    """Pooled features float32 [N, D] of pictures uint8 [N, H, W, C]."""
    rows = range(0, len(pictures), batch)
    return np.concatenate([extractor(pictures[i : i + batch]).pooled for i in rows])
