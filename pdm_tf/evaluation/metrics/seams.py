"""Seam energy: does a picture show the borders of its patches?"""

import numpy as np


def seam_sums(pictures: np.ndarray, patch_size: int) -> np.ndarray:
    """Absolute differences of neighbouring pixels, across borders and elsewhere.

    Args:
      pictures: uint8 [N, H, W, C].
      patch_size: side P of the patches, 2 or more and less than H and W.

    Returns:
      float64 [N, 2]: mean over the pixel pairs that straddle a border of patches, and
      over the other pairs, vertical and horizontal ones together.
    """
    x = pictures.astype(np.int16)
    sums = np.zeros((len(x), 2))
    counts = np.zeros(2)
    for axis in (1, 2):
        steps = np.abs(np.diff(x, axis=axis)).astype(np.float64)
        steps = np.moveaxis(steps, axis, 1).reshape(len(x), x.shape[axis] - 1, -1)
        across = np.arange(1, x.shape[axis]) % patch_size == 0
        for kind, chosen in enumerate((across, ~across)):
            sums[:, kind] += steps[:, chosen].sum(axis=(1, 2))
            counts[kind] += chosen.sum() * steps.shape[2]
    return sums / counts


def seam_energy(pictures: np.ndarray, patch_size: int) -> float:
    """Seam energy of pictures uint8 [N, H, W, C], see `ratio_of_sums`."""
    return ratio_of_sums(seam_sums(pictures, patch_size))


def ratio_of_sums(sums: np.ndarray) -> float:
    """Gradient across patch borders over gradient elsewhere, of sums [..., 2].

    1 where patches leave no trace, larger where their borders show; NaN for pictures
    of one colour.
    """
    across, elsewhere = np.reshape(sums, (-1, 2)).sum(axis=0)
    return float(across / elsewhere) if elsewhere else float("nan")
