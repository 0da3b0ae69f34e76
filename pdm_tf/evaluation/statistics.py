"""Statistics of a set of pictures in a file: `mu`, `sigma`, `mu_s`, `sigma_s`.

These are ADM's keys, so the reference batches that its authors publish can be read;
theirs hold pictures beside the statistics, from which precision and recall follow.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pdm_tf.errors import SettingError
from pdm_tf.evaluation import npz
from pdm_tf.evaluation.metrics.moments import FeatureGaussian
from pdm_tf.storage.files import write_npz

_KEYS = {"mu", "sigma", "mu_s", "sigma_s", "count", "features"}


@dataclass(frozen=True)
class Statistics:
    """Gaussians of the pooled and of the spatial features of some pictures."""

    pooled: FeatureGaussian
    spatial: FeatureGaussian | None
    count: int | None = None  # pictures behind it, where the file says
    features: str | None = None  # name of the extractor, where the file says


def load_statistics(setting: str, path: str) -> Statistics:
    """Reads statistics.

    Raises:
      InputError: missing, not finite, or of shapes that do not fit each other.
    """
    arrays = npz.read_arrays(setting, path, _KEYS)
    pooled = _gaussian(setting, path, arrays, "")
    spatial = _gaussian(setting, path, arrays, "_s") if "mu_s" in arrays else None
    count, features = int(arrays.get("count", 0)), str(arrays.get("features", ""))
    return Statistics(pooled, spatial, count or None, features or None)


def _gaussian(setting: str, path: str, arrays: dict, suffix: str) -> FeatureGaussian:
    none = np.zeros(0)
    mu, sigma = (arrays.get(f"{name}{suffix}", none) for name in ("mu", "sigma"))
    fault = ""
    if not mu.size or not sigma.size:
        fault = "is missing mu or sigma"
    elif mu.ndim != 1 or sigma.shape != mu.shape * 2 or mu.dtype.kind != "f":
        fault = f"has mu of {mu.dtype} {mu.shape} and sigma of {sigma.shape}"
    elif not (np.isfinite(mu).all() and np.isfinite(sigma).all()):
        fault = "has mu or sigma that are not finite"
    if fault:
        raise SettingError(
            setting,
            path,
            f"{fault} (keys mu{suffix}, sigma{suffix}); make it again with "
            "`save_statistics`",
        )
    return FeatureGaussian(mu.astype(np.float64), sigma.astype(np.float64))


def save_statistics(path: str, statistics: Statistics) -> None:
    """Writes statistics as `load_statistics` reads them, whole or not at all."""
    arrays: dict[str, Any] = {
        "mu": statistics.pooled.mean,
        "sigma": statistics.pooled.covariance,
        "count": np.int64(statistics.count or 0),
        "features": np.str_(statistics.features or ""),
    }
    if statistics.spatial is not None:
        arrays["mu_s"] = statistics.spatial.mean
        arrays["sigma_s"] = statistics.spatial.covariance
    write_npz(path, arrays)
