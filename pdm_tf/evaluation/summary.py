"""One pass over a set's pictures: all the sums that any metric needs."""

import hashlib
import math
from collections.abc import Iterator

import numpy as np

from pdm_tf.config import EvaluationConfig
from pdm_tf.evaluation.bootstrap import BootstrapGroups, count_groups
from pdm_tf.evaluation.features.extractor import Extractor, Features
from pdm_tf.evaluation.metrics.inception_score import ScoreSums
from pdm_tf.evaluation.metrics.moments import FeatureGaussian, FeatureMoments, merged
from pdm_tf.evaluation.metrics.seams import seam_sums
from pdm_tf.evaluation.stored_images import ImageSource
from pdm_tf.progress import progress

ROWS = 2048  # features merged into the moments at once
_BATCH = 2**28  # bytes of pictures read at once, at most


class GroupedMoments:
    """Moments of each group of pictures; rows are merged many at a time."""

    def __init__(self, groups: int, size: int) -> None:
        self.parts = [FeatureMoments.empty(size) for _ in range(groups)]
        self._waiting: list[tuple[np.ndarray, np.ndarray]] = []

    def add(self, rows: np.ndarray, group: np.ndarray) -> None:
        """Rows [N, D] and their groups int [N]."""
        self._waiting.append((rows, group))
        if sum(len(group) for _, group in self._waiting) >= ROWS:
            self.flush()

    def flush(self) -> None:
        """Merges what waits."""
        if not self._waiting:
            return
        rows, group = (
            np.concatenate(parts) for parts in zip(*self._waiting, strict=True)
        )
        self._waiting.clear()
        for g in np.unique(group):
            self.parts[g] = merged([self.parts[g], FeatureMoments.of(rows[group == g])])

    def gaussian(self, weights: np.ndarray | None) -> FeatureGaussian:
        """Of all groups, each counted as often as its weight says."""
        return merged(self.parts, weights).gaussian()


class Summary:
    """Sums over the pictures of one set, by groups for the bootstrap.

    Args:
      extractor: gives the features.
      config: seed, resamplings, patch sizes, pictures kept.
      count: how many pictures will come.
      seed: of the groups; must differ between the sets.
    """

    def __init__(
        self, extractor: Extractor, config: EvaluationConfig, count: int, seed: int
    ) -> None:
        groups = count_groups(config.bootstrap, extractor.sizes)
        self.groups = max(1, min(groups, count // 2))
        self.count = 0
        self._hash = hashlib.sha256()
        self._groups = BootstrapGroups(self.groups, seed)
        self._pooled, self._spatial = (
            GroupedMoments(self.groups, size) for size in extractor.sizes
        )
        self._room = config.manifold_images
        self._kept: list[tuple[np.ndarray, np.ndarray]] = []
        self.score: ScoreSums | None = None
        self.seams = {p: np.zeros((self.groups, 2)) for p in config.patch_sizes}

    def add(self, pictures: np.ndarray, features: Features) -> None:
        """The next pictures, uint8 [B, H, W, C], and their features."""
        group = self._groups.draw(len(pictures))
        self._hash.update(pictures.tobytes())
        self._pooled.add(features.pooled, group)
        self._spatial.add(features.spatial, group)
        if features.probabilities is not None:
            self.score = self.score or ScoreSums(self.groups)
            self.score.add(features.probabilities, group)
        for patch_size, sums in self.seams.items():
            np.add.at(sums, group, seam_sums(pictures, patch_size))
        if self._room > 0:
            kept = slice(0, self._room)
            self._kept.append((features.pooled[kept].copy(), group[kept]))
            self._room -= len(pictures)
        self.count += len(pictures)

    def finish(self) -> None:
        """To be called once, after the last pictures."""
        self._pooled.flush()
        self._spatial.flush()

    @property
    def digest(self) -> str:
        """SHA-256 of the bytes of all pictures in order, in hexadecimal digits."""
        return self._hash.hexdigest()

    def gaussian(self, kind: str, weights: np.ndarray | None = None) -> FeatureGaussian:
        """Of "pooled" or "spatial" features, groups counted by weights [groups]."""
        moments = self._pooled if kind == "pooled" else self._spatial
        return moments.gaussian(weights)

    @property
    def kept(self) -> tuple[np.ndarray, np.ndarray]:
        """Features float32 [M, D] of the first pictures, and their groups int [M]."""
        if not self._kept:
            return np.zeros((0, 1), np.float32), np.zeros(0, np.int64)
        if len(self._kept) > 1:
            features, group = zip(*self._kept, strict=True)
            self._kept = [(np.concatenate(features), np.concatenate(group))]
        return self._kept[0]


def summarise(
    pictures: ImageSource, extractor: Extractor, config: EvaluationConfig, seed: int
) -> Summary:
    """Reads all pictures of a set once.

    Raises:
      InputError: features that are not finite, or a file that breaks off.
    """
    summary = Summary(extractor, config, pictures.count, seed)
    rows = _BATCH // math.prod(pictures.image_shape)
    for batch in _watched(pictures, min(config.batch_size, max(1, rows))):
        features = extractor(batch)
        _check_finite(pictures, extractor, features, summary.count)
        summary.add(batch, features)
    summary.finish()
    return summary


def _watched(pictures: ImageSource, batch_size: int) -> Iterator[np.ndarray]:
    if pictures.cost:  # sampled, with a progress of its own
        yield from pictures.batches(batch_size)
        return
    title, total = pictures.location.setting, pictures.count
    with progress(None, title, "pictures", total) as bar:
        for batch in pictures.batches(batch_size):
            yield batch
            bar.update(len(batch))


def _check_finite(
    pictures: ImageSource, extractor: Extractor, features: Features, first: int
) -> None:
    for rows in features:
        if rows is not None and not np.isfinite(rows).all():
            bad = int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])
            raise pictures.location.error(
                f"the {extractor.name} features of picture {first + bad} are not "
                "finite; look at that picture, and at the weights of the extractor"
            )
