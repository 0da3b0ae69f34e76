"""Statistics of a set of pictures in a file: `mu`, `sigma`, `mu_s`, `sigma_s`.

These are ADM's keys, so the reference batches that its authors publish can be read;
theirs hold pictures beside the statistics, from which precision and recall follow.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pdm_tf.errors import InputError, SettingError
from pdm_tf.evaluation.metrics.moments import FeatureGaussian
from pdm_tf.storage import picture_npz as npz
from pdm_tf.storage.files import write_npz

_LARGEST = 8192  # features, of any network that features are taken from
_WORDS = ("features", "extractor", "pictures")  # what a file may say in words
_REMEDY = "make it again with `save_statistics`"


@dataclass(frozen=True)
class Statistics:
    """Gaussians of the pooled and of the spatial features of some pictures.

    Attributes:
      pooled: of the pooled features.
      spatial: of the spatial ones; None where the file has none.
      count: pictures behind it, where the file says.
      features: name of the extractor, where the file says.
      extractor: checksum of what the extractor is, where the file says.
      pictures: checksum of the pictures, where the file says.
    """

    pooled: FeatureGaussian
    spatial: FeatureGaussian | None
    count: int | None = None
    features: str | None = None
    extractor: str | None = None
    pictures: str | None = None


def is_statistics(path: Path) -> bool:
    """Whether a file is an npz of statistics without pictures, as is saved here."""
    try:
        members = npz.list_members("save_statistics", str(path))
    except InputError:
        return not path.stat().st_size
    return "mu" in members and npz.PICTURES not in members


def load_statistics(setting: str, path: str) -> Statistics:
    """Reads statistics.

    Raises:
      InputError: missing, not finite, or of shapes that do not fit each other.
    """
    members = npz.list_members(setting, path)
    pooled = _gaussian(setting, path, "")
    spatial = _gaussian(setting, path, "_s") if "mu_s" in members else None
    words = {name: _word(setting, path, name) for name in members.intersection(_WORDS)}
    count = _count(setting, path) if "count" in members else None
    return Statistics(pooled, spatial, count, **words)


def _count(setting: str, path: str) -> int | None:
    shape, _, dtype = npz.read_header(setting, path, "count")
    value = npz.read_arrays(setting, path, {"count"})["count"] if not shape else None
    if value is None or dtype.kind not in "iu" or value < 0:
        raise SettingError(
            setting,
            path,
            f"its count is {dtype} {list(shape)} and not one number of pictures; "
            f"leave the key out, or {_REMEDY}",
        )
    return int(value) or None


def _word(setting: str, path: str, name: str) -> str | None:
    """A key in words; None for one that another tool uses otherwise."""
    shape, _, dtype = npz.read_header(setting, path, name)
    if shape or dtype.kind != "U":
        return None
    return str(npz.read_arrays(setting, path, {name})[name]) or None


def _gaussian(setting: str, path: str, suffix: str) -> FeatureGaussian:
    names = f"mu{suffix}", f"sigma{suffix}"
    fault = _fault_of_headers(setting, path, names)
    if not fault:
        found = npz.read_arrays(setting, path, set(names))
        mu, sigma = (found[name].astype(np.float64) for name in names)
        fault = _fault_of_values(mu, sigma)
        if not fault:
            return FeatureGaussian(mu, sigma)
    raise SettingError(setting, path, f"{fault} (keys {', '.join(names)}); {_REMEDY}")


def _fault_of_values(mu: np.ndarray, sigma: np.ndarray) -> str:
    if not (np.isfinite(mu).all() and np.isfinite(sigma).all()):
        return "has mu or sigma that are not finite"
    if not np.allclose(sigma, sigma.T, rtol=1e-3, atol=1e-5 * np.abs(sigma).max()):
        return "has a sigma that is not symmetric, which no covariance is"
    return ""


def _fault_of_headers(setting: str, path: str, names: tuple[str, str]) -> str:
    if not npz.list_members(setting, path).issuperset(names):
        return "is missing mu or sigma"
    mu, sigma = (npz.read_header(setting, path, name) for name in names)
    if not all(np.issubdtype(one.dtype, np.floating) for one in (mu, sigma)):
        return f"has mu of {mu.dtype} and sigma of {sigma.dtype}, wanted are floats"
    if len(mu.shape) != 1 or not mu.size or sigma.shape != mu.shape * 2:
        return f"has mu of {mu.dtype} {mu.shape} and sigma of {sigma.shape}"
    if mu.shape[0] > _LARGEST:
        return f"has {mu.shape[0]:,} features, more than any network gives"
    return ""


def save_statistics(path: str, statistics: Statistics) -> None:
    """Writes statistics as `load_statistics` reads them, whole or not at all."""
    arrays: dict[str, Any] = {
        "mu": statistics.pooled.mean,
        "sigma": statistics.pooled.covariance,
        "count": np.int64(statistics.count or 0),
        **{name: np.str_(getattr(statistics, name) or "") for name in _WORDS},
    }
    if statistics.spatial is not None:
        arrays["mu_s"] = statistics.spatial.mean
        arrays["sigma_s"] = statistics.spatial.covariance
    write_npz(path, arrays)
