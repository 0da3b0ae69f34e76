"""All metrics of an evaluation, each with its interval."""

from collections.abc import Callable, Set
from dataclasses import dataclass

import numpy as np

from pdm_tf.config import EvaluationConfig
from pdm_tf.evaluation.bootstrap import Metric, draw_weights, interval
from pdm_tf.evaluation.features.extractor import Extractor
from pdm_tf.evaluation.metrics.frechet import frechet_distance
from pdm_tf.evaluation.metrics.kernel import GroupedDiscrepancy
from pdm_tf.evaluation.metrics.manifold import NEIGHBOURS, members
from pdm_tf.evaluation.metrics.moments import FeatureGaussian
from pdm_tf.evaluation.metrics.seams import ratio_of_sums
from pdm_tf.evaluation.statistics import Statistics
from pdm_tf.evaluation.summary import Summary

Statistic = Callable[[np.ndarray | None, np.ndarray | None], float]


@dataclass(frozen=True)
class MeasuredSet:
    """What is known of one set: its statistics, its pictures, or both.

    Where a file holds both, as ADM's reference batches do, distances use the
    statistics (of more pictures), precision and recall the pictures.
    """

    statistics: Statistics | None = None
    summary: Summary | None = None

    @property
    def groups(self) -> int:
        """Groups to resample; 1 for statistics alone."""
        return self.summary.groups if self.summary else 1

    @property
    def count(self) -> int | None:
        """Pictures behind the distances; None where that is not known."""
        if self.statistics:
            return self.statistics.count
        return self.summary.count if self.summary else None

    def gaussian(self, kind: str, weights: np.ndarray | None) -> FeatureGaussian | None:
        """Of "pooled" or "spatial" features; None where there is none."""
        if self.statistics:
            return getattr(self.statistics, kind)
        return self.summary.gaussian(kind, weights) if self.summary else None


def name_metrics(features: str) -> dict[str, str]:
    """Names to print: FID is what Inception gives, and nothing else."""
    if features == "inception":
        frechet = {"frechet": "FID", "spatial": "sFID", "score": "IS"}
        rest = {"precision": "precision", "recall": "recall", "kid": "KID"}
        return {**frechet, **rest}
    names = {"frechet": "FD", "spatial": "sFD", "score": "IS", "kid": "KD"}
    names.update(precision="precision", recall="recall")
    return {key: f"{name} ({features})" for key, name in names.items()}


def explain_left_out(
    samples: MeasuredSet, reference: MeasuredSet | None, extractor: Extractor
) -> dict[str, str]:
    """Metrics that so few pictures cannot give, by printed name, and why."""
    names, found = name_metrics(extractor.name), {}
    sets = {"samples": samples, "pictures of reference": reference}
    counts = {k: one.count for k, one in sets.items() if one and one.count is not None}
    for key, size in zip(("frechet", "spatial"), extractor.sizes, strict=True):
        few = [f"{n:,} {name}" for name, n in counts.items() if n <= size]
        if few and reference:
            found[names[key]] = (
                f"{' and '.join(few)} for {size:,} features, whose covariance is then "
                f"singular; it takes {size + 1:,} at least, thousands for little bias"
            )
    score = samples.summary.score if samples.summary else None
    if score and samples.count is not None and samples.count < score.classes:
        found[names["score"]] = (
            f"{samples.count:,} samples for {score.classes:,} classes; it takes many "
            "of each"
        )
    return found


def compute_metrics(
    samples: MeasuredSet,
    reference: MeasuredSet | None,
    config: EvaluationConfig,
    left_out: Set[str] = frozenset(),
) -> dict[str, Metric | None]:
    """Every metric that the sets allow, by its printed name; None for the others.

    Args:
      samples: what is measured.
      reference: what it is compared with, if anything.
      config: features, bootstrap, seed.
      left_out: names of metrics not to be computed, see `explain_left_out`.
    """
    names = name_metrics(config.features)
    found: dict[str, Metric | None] = dict.fromkeys(names.values())
    bootstrap = Bootstrap(samples, reference, config)
    if reference:
        for key, kind in (("frechet", "pooled"), ("spatial", "spatial")):
            if names[key] in left_out:
                continue
            if samples.gaussian(kind, None) and reference.gaussian(kind, None):
                statistic = _distance(samples, reference, kind)
                found[names[key]] = bootstrap.estimate(statistic)
        found.update(_manifold_metrics(samples, reference, config, bootstrap, names))
    score = samples.summary.score if samples.summary else None
    if score and names["score"] not in left_out:
        found[names["score"]] = bootstrap.estimate(lambda w, _: score.score(w), low=1)
    return found


def compute_seams(
    samples: MeasuredSet, reference: MeasuredSet | None, config: EvaluationConfig
) -> dict[str, dict[str, Metric]]:
    """Seam energy by patch size and set."""
    bootstrap = Bootstrap(samples, reference, config)
    found: dict[str, dict[str, Metric]] = {}
    for patch_size in config.patch_sizes:
        row = found[str(patch_size)] = {}
        for i, (name, measured) in enumerate(
            (("samples", samples), ("reference", reference))
        ):
            if measured and measured.summary:
                sums = measured.summary.seams[patch_size]
                row[name] = bootstrap.estimate(_energy(sums, i))
    return found


class Bootstrap:
    """Resamples both sets at once, each on its own."""

    def __init__(
        self,
        samples: MeasuredSet,
        reference: MeasuredSet | None,
        config: EvaluationConfig,
    ) -> None:
        sets = (samples, reference or MeasuredSet())
        self.groups = [measured.groups for measured in sets]
        self._weights = [
            draw_weights(groups, config.bootstrap, config.seed + 2 + i)
            for i, groups in enumerate(self.groups)
        ]

    def estimate(
        self, statistic: Statistic, low: float = 0, high: float = np.inf
    ) -> Metric:
        """The statistic and its interval, known to lie between low and high."""
        value = statistic(None, None)
        groups = max(self.groups)
        if groups < 2:
            return Metric(value)
        replicates = [statistic(*w) for w in zip(*self._weights, strict=True)]
        return interval(value, replicates, groups, (low, high))


def _distance(samples: MeasuredSet, reference: MeasuredSet, kind: str) -> Statistic:
    def distance(first: np.ndarray | None, second: np.ndarray | None) -> float:
        with np.errstate(divide="ignore", invalid="ignore"):
            x, y = samples.gaussian(kind, first), reference.gaussian(kind, second)
        if x is None or y is None or not np.isfinite(x.covariance + y.covariance).all():
            return float("nan")  # a resampling of less than two pictures
        return frechet_distance(x, y, quick=first is not None)

    return distance


def _energy(sums: np.ndarray, which: int) -> Statistic:
    def energy(*weights: np.ndarray | None) -> float:
        w = weights[which]
        return ratio_of_sums(sums if w is None else sums * w[:, None])

    return energy


def _manifold_metrics(
    samples: MeasuredSet,
    reference: MeasuredSet,
    config: EvaluationConfig,
    bootstrap: Bootstrap,
    names: dict[str, str],
) -> dict[str, Metric | None]:
    sums = samples.summary, reference.summary
    if not all(one and len(one.kept[0]) > NEIGHBOURS for one in sums):
        return {}
    (x, x_group), (y, y_group) = (one.kept for one in sums if one)
    inside = members(x, y, config.half_distances)
    found: dict[str, Metric | None] = {}
    for i, (key, group) in enumerate((("precision", x_group), ("recall", y_group))):
        found[names[key]] = bootstrap.estimate(_share(inside[i], group, i), high=1)
    discrepancy = GroupedDiscrepancy(x, x_group, y, y_group)
    found[names["kid"]] = bootstrap.estimate(discrepancy, low=-np.inf)
    return found


def _share(inside: np.ndarray, group: np.ndarray, which: int) -> Statistic:
    """Share of pictures inside; the manifolds themselves are not drawn again."""

    def share(*weights: np.ndarray | None) -> float:
        w = weights[which]
        times = np.ones(len(group)) if w is None else w[group]
        return float(inside @ times / times.sum()) if times.sum() else float("nan")

    return share
