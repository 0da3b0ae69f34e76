"""How far estimates are from pictures, and how surely one is farther than another."""

import numpy as np

RESAMPLINGS = 400


def squared_errors(x: np.ndarray, denoised: np.ndarray) -> np.ndarray:
    """Mean over pixels of (x - estimate)², for each picture, float64 [N]."""
    difference = x.astype(np.float64) - denoised
    return np.square(difference).reshape(len(x), -1).mean(axis=1)


def distortion(errors: np.ndarray) -> float:
    """Root mean square over pictures, of `squared_errors` (section 3.1, Figure 2)."""
    return float(np.sqrt(errors.mean()))


def ratio_interval(
    errors: np.ndarray, reference: np.ndarray, seed: int = 0
) -> tuple[float, float, float]:
    """Ratio of two distortions of the same pictures, and its 95 % interval.

    Pictures are resampled in pairs, so that what both find hard does not count.
    """
    random = np.random.default_rng(seed)
    rows = random.integers(len(errors), size=(RESAMPLINGS, len(errors)))
    found = np.sqrt(errors[rows].mean(axis=1) / reference[rows].mean(axis=1))
    low, high = np.quantile(found, [0.025, 0.975])
    return distortion(errors) / distortion(reference), float(low), float(high)
