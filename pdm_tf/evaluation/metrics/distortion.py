"""How far altered pictures are from their originals, picture n of both the same one.

Pictures are uint8, or floats in [-1, 1]; both are compared as floats of that range.
"""

import numpy as np

from pdm_tf.data.images import to_float

PEAK = 2.0  # the range of a pixel, from -1 to 1


def sqnr(reference: np.ndarray, altered: np.ndarray, centred: bool = False) -> float:
    """Signal to quantisation noise ratio [dB]: 10 log10(sum x^2 / sum (x - x')^2).

    The sums are over the whole set, so that a picture that is spared no noise weighs
    as much as its noise does.

    Args:
      reference: pictures [N, H, W, C] of the unaltered model.
      altered: those of the altered one, from the same seeds.
      centred: take the power of x about the mean of the whole set, so that a constant
        background counts as no signal.

    Returns:
      Decibels; infinite for equal pictures.
    """
    x, y = _pair(reference, altered)
    noise = np.square(x - y).mean()
    signal = x.var() if centred else np.square(x).mean()
    with np.errstate(divide="ignore"):
        return float(10.0 * np.log10(signal / noise)) if noise else np.inf


def psnr(first: np.ndarray, second: np.ndarray) -> float:
    """Peak signal to noise ratio [dB], mean over pictures [N, H, W, C].

    Of a picture it is 10 log10(peak^2 / mean (x - y)^2), the peak being the range of a
    pixel (255 grey levels); infinite for equal pictures, and then so is the mean.
    """
    x, y = _pair(first, second)
    error = np.square(x - y).mean(axis=tuple(range(1, x.ndim)))
    with np.errstate(divide="ignore"):
        return float(np.mean(10.0 * np.log10(PEAK**2 / error)))


def ssim(first: np.ndarray, second: np.ndarray) -> float:
    """Structural similarity, mean over pictures [N, H, W, C] of 11 pixels or more.

    With the constants of its authors (Wang et al., 2004): a Gaussian window of
    sigma 1.5, K1 = 0.01, K2 = 0.03; channels count alike. 1 for equal pictures.
    """
    from skimage.metrics import structural_similarity  # takes a second to load

    pairs = zip(*_pair(first, second), strict=True)
    each = [
        structural_similarity(
            x,
            y,
            data_range=PEAK,
            channel_axis=-1,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        for x, y in pairs
    ]
    return float(np.mean(each))


def _pair(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64 in [-1, 1].

    Raises:
      ValueError: pictures of different shapes, or none.
    """
    x, y = _as_float(first), _as_float(second)
    if x.shape != y.shape or not x.size:
        raise ValueError(f"pictures of shapes {x.shape} and {y.shape} do not compare")
    return x, y


def _as_float(pictures: np.ndarray) -> np.ndarray:
    pictures = np.asarray(pictures)
    if pictures.dtype == np.uint8:
        pictures = to_float(pictures)
    return pictures.astype(np.float64)
