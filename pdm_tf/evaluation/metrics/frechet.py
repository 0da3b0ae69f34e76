"""Fréchet distance between Gaussians (FID: arXiv 1706.08500, equation 6)."""

from collections.abc import Iterable

import numpy as np
import scipy.linalg

from pdm_tf.evaluation.features.extractor import Extractor
from pdm_tf.evaluation.metrics.moments import FeatureGaussian, FeatureMoments, merged

BATCH = 500  # pictures of an array whose features are computed at once

Pictures = np.ndarray | Iterable[np.ndarray]


def frechet(
    samples: Pictures | FeatureGaussian,
    reference: Pictures | FeatureGaussian,
    extractor: Extractor,
) -> float:
    """Fréchet distance of two sets of pictures in a space of features.

    Args:
      samples: uint8 [N, H, W, C], or batches of it, or what `gaussian_of` made of it.
      reference: the same of the pictures to compare with.
      extractor: gives the features; see `evaluation.features.open_features`.

    Returns:
      The distance between Gaussians of the pooled features.
    """
    return frechet_distance(
        gaussian_of(samples, extractor), gaussian_of(reference, extractor)
    )


def gaussian_of(
    pictures: Pictures | FeatureGaussian, extractor: Extractor
) -> FeatureGaussian:
    """Mean and covariance of the pooled features of two or more pictures.

    Args:
      pictures: uint8 [N, H, W, C], or batches of it; a Gaussian stays as it is.
      extractor: gives the features.
    """
    if isinstance(pictures, FeatureGaussian):
        return pictures
    if isinstance(pictures, np.ndarray):
        cuts = range(BATCH, len(pictures), BATCH)
        pictures = np.split(pictures, cuts)
    parts = [FeatureMoments.of(extractor(batch).pooled) for batch in pictures]
    return merged(parts).gaussian()


def frechet_distance(
    first: FeatureGaussian, second: FeatureGaussian, quick: bool = False
) -> float:
    """|mu1 - mu2|^2 + trace(sigma1 + sigma2 - 2 (sigma1 sigma2)^(1/2)).

    The trace of the root is the sum of singular values of sigma1^(1/2) sigma2^(1/2).
    That needs no root of a product that is not symmetric, and stays exact where a
    covariance is singular, that is, with fewer pictures than features.

    Args:
      first: a Gaussian.
      second: another of the same size.
      quick: take eigenvalues of a product instead, about ten times faster for 2,048
        features; half of the digits are lost, which intervals can bear.

    Returns:
      A number >= 0; for equal Gaussians 0 up to rounding.
    """
    difference = first.mean - second.mean
    shared = _quick_trace(first, second) if quick else None
    if shared is None:
        product = _root(first.covariance).T @ _root(second.covariance)
        shared = np.linalg.svd(product, compute_uv=False).sum()
    traces = np.trace(first.covariance) + np.trace(second.covariance)
    distance = float(difference @ difference + traces - 2 * shared)
    return 0.0 if distance < 0 else distance  # what is below is rounding


def _root(covariance: np.ndarray) -> np.ndarray:
    """R [D, D] with R R^T = covariance, by eigenvalues; those below 0 are rounding."""
    values, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(np.maximum(values, 0))


def _quick_trace(first: FeatureGaussian, second: FeatureGaussian) -> float | None:
    """Trace of the root by Cholesky's factor; None where that does not exist."""
    try:
        factor = np.linalg.cholesky(first.covariance)
    except np.linalg.LinAlgError:
        return None
    product = factor.T @ second.covariance @ factor
    values = scipy.linalg.eigvalsh(product, overwrite_a=True)
    return float(np.sqrt(np.maximum(values, 0)).sum())
