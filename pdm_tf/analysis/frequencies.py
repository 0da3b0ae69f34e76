"""How much of a picture lies at frequencies that a grid of patches does not resolve."""

from typing import NamedTuple

import numpy as np


def spectrum(x: np.ndarray) -> np.ndarray:
    """Energy at each frequency, over channels: [N, H, W, C] -> float64 [N, H, W].

    Summed over frequencies it is the mean over pixels of |x|² (Parseval).
    """
    size = x.shape[1] * x.shape[2]
    waves = np.fft.fft2(x.astype(np.float64), axes=(1, 2)) / size
    return np.square(np.abs(waves)).sum(axis=3)


def beyond_grid(height: int, width: int, patch_size: int) -> np.ndarray:
    """Frequencies above 1/(2P) cycles a pixel in either direction, bool [H, W].

    One number for each patch can follow waves up to there and none that are finer; what
    lies beyond is left to the channels of a patch.
    """
    rows, columns = np.abs(np.fft.fftfreq(height)), np.abs(np.fft.fftfreq(width))
    finest = np.maximum(rows[:, None], columns[None])
    return finest > 1 / (2 * patch_size)


class Energy(NamedTuple):
    """Energy below and above what a grid resolves, without the mean grey."""

    low: float
    high: float

    @property
    def share(self) -> float:
        """The part of it that is beyond the grid; 0 for pictures of one colour."""
        total = self.low + self.high
        return self.high / total if total else 0.0

    @classmethod
    def of(cls, x: np.ndarray, patch_size: int) -> "Energy":
        """Mean over pictures [N, H, W, C]."""
        mean = spectrum(x).mean(axis=0)
        mean[0, 0] = 0.0
        high = beyond_grid(mean.shape[0], mean.shape[1], patch_size)
        return cls(float(mean[~high].sum()), float(mean[high].sum()))
