"""Fréchet distance between Gaussians (FID: arXiv 1706.08500, equation 6)."""

import numpy as np

from pdm_tf.evaluation.moments import Gaussian


def frechet_distance(first: Gaussian, second: Gaussian) -> float:
    """|mu1 - mu2|^2 + trace(sigma1 + sigma2 - 2 (sigma1 sigma2)^(1/2)).

    The trace of the root is the sum of singular values of sigma1^(1/2) sigma2^(1/2).
    That needs no root of a product that is not symmetric, and stays exact where a
    covariance is singular, that is, with fewer pictures than features.

    Returns:
      A number >= 0 up to rounding; 0 for equal Gaussians.
    """
    difference = first.mean - second.mean
    product = _root(first.covariance).T @ _root(second.covariance)
    shared = np.linalg.svd(product, compute_uv=False).sum()
    traces = np.trace(first.covariance) + np.trace(second.covariance)
    return float(difference @ difference + traces - 2 * shared)


def _root(covariance: np.ndarray) -> np.ndarray:
    """R [D, D] with R R^T = covariance, by eigenvalues; those below 0 are rounding."""
    values, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(np.maximum(values, 0))
