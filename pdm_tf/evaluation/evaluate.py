"""Metrics of pictures: from the settings to the report."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, NamedTuple, cast

import numpy as np
import scipy

from pdm_tf.config import EvaluationConfig
from pdm_tf.config.evaluating import PAPER_IMAGES
from pdm_tf.config.sampling import METRICS
from pdm_tf.errors import SettingError
from pdm_tf.evaluation import report
from pdm_tf.evaluation.choosing_features import (
    check_features,
    choose_features,
    identify,
    say_unknown,
)
from pdm_tf.evaluation.features import Extractor
from pdm_tf.evaluation.generated_images import Opener
from pdm_tf.evaluation.image_sources import open_image_sources
from pdm_tf.evaluation.locations import Location, locate
from pdm_tf.evaluation.metrics.inception_score import SPLIT
from pdm_tf.evaluation.metrics.manifold import NEIGHBOURS
from pdm_tf.evaluation.set_metrics import (
    MeasuredSet,
    compute_metrics,
    compute_seams,
    explain_left_out,
)
from pdm_tf.evaluation.statistics import (
    Statistics,
    is_statistics,
    load_statistics,
    save_statistics,
)
from pdm_tf.evaluation.stored_images import ImageSource
from pdm_tf.evaluation.summary import summarise
from pdm_tf.evaluation.versions import versions
from pdm_tf.profiling.peak_memory import peak_memory
from pdm_tf.storage import picture_npz as npz

SETS = ("samples", "reference")


class _Set(NamedTuple):
    """One set of pictures, by the name of its setting."""

    location: Location
    measured: MeasuredSet
    source: ImageSource | None  # None for statistics alone


def evaluate(config: EvaluationConfig, opener: Opener | None = None) -> dict[str, Any]:
    """Measures `samples`, against `reference` where that is given.

    Writes the report to `out`, and the statistics to `save_statistics`.

    Args:
      config: the settings.
      opener: opens a model that a setting names; None: only pictures are taken.

    Returns:
      The report: metrics (each a `Metric` or None), seam_energy by patch size and
      set, samples, reference, features, cost, warnings, settings, versions.

    Raises:
      InputError: settings, files or pictures that no metric can be made of.
    """
    began = time.perf_counter()
    check(config)
    given = {name: getattr(config, name) for name in SETS}
    locations = {k: locate(k, value) for k, value in given.items() if value}
    stored = {k: _stored(location) for k, location in locations.items()}
    sources = _open(locations, stored, config, opener)
    extractor = choose_features(config, stored, sources)
    config = replace(config, features=cast(Any, extractor.name))
    sets = _measure(config, extractor, locations, stored, sources)
    made = _report(config, sets, extractor)
    made["cost"]["evaluation"] = _own_cost(sets, time.perf_counter() - began)
    if config.save_statistics:
        _save(sets["samples"].measured, extractor, config)
    report.write_report(config.out, made | {"figures": made["metrics"]})  # of before
    return made


def check(config: EvaluationConfig) -> None:
    """Raises InputError for settings that make no sense by themselves."""
    if not config.samples:
        raise SettingError(
            "samples",
            None,
            "missing; name an npz, a folder, a source such as mnist, or a model",
        )
    smallest = {"num_images": 0, "batch_size": 1, "bootstrap": 0, "manifold_images": 0}
    report.check_smallest(config, smallest)
    if not 0 <= config.seed <= 2**31 - 1 - max(config.num_images, 10_000):
        raise SettingError("seed", config.seed, "choose from 0 to about 2 billion")
    report.check_writable("out", config.out, report.is_report)
    if config.save_statistics:
        path = config.save_statistics
        report.check_writable("save_statistics", path, is_statistics)


def _open(
    locations: Mapping[str, Location],
    stored: Mapping[str, Statistics | None],
    config: EvaluationConfig,
    opener: Opener | None,
) -> dict[str, ImageSource]:
    """The sets that have pictures, by the name of their setting."""
    with_pictures = [
        one for k, one in locations.items() if not stored[k] or _has_pictures(one)
    ]
    sources = open_image_sources(with_pictures, config, opener)
    _check_patches(sources, config)
    return {source.location.setting: source for source in sources}


def _measure(
    config: EvaluationConfig,
    extractor: Extractor,
    locations: Mapping[str, Location],
    stored: Mapping[str, Statistics | None],
    sources: Mapping[str, ImageSource],
) -> dict[str, _Set]:
    for name, statistics in stored.items():
        if statistics:
            check_features(locations[name], statistics, extractor)
    for opened in sources.values():  # refused now, not after hours of sampling
        extractor(np.zeros((1, *opened.image_shape), np.uint8))
    made = {}
    # The reference first: nothing may fail once hours of samples are there.
    for i, (name, location) in reversed([*enumerate(locations.items())]):
        source = sources.get(name)
        measured = MeasuredSet(stored[name])
        if source:
            summary = summarise(source, extractor, config, config.seed + i)
            measured = MeasuredSet(stored[name], summary)
        made[name] = _Set(location, measured, source)
    return {name: made[name] for name in locations}


def _has_pictures(location: Location) -> bool:
    return npz.PICTURES in npz.list_members(location.setting, location.path)


def _stored(location: Location) -> Statistics | None:
    """The statistics in a set's file, if it is one that holds them."""
    named = location.setting, location.path
    if location.kind != "npz" or "mu" not in npz.list_members(*named):
        return None
    return load_statistics(*named)


def _check_patches(sources: Sequence[ImageSource], config: EvaluationConfig) -> None:
    for source in sources:
        side = min(source.image_shape[:2])
        for patch_size in config.patch_sizes:
            if not 2 <= patch_size < side:
                raise SettingError(
                    "patch_sizes",
                    patch_size,
                    f"choose from 2 to {side - 1} for these pictures",
                )


def _report(
    config: EvaluationConfig, sets: Mapping[str, _Set], extractor: Extractor
) -> dict[str, Any]:
    samples = sets["samples"].measured
    reference = sets["reference"].measured if "reference" in sets else None
    pooled, spatial = extractor.sizes
    described = {name: _describe(one) for name, one in sets.items()}
    left_out = explain_left_out(samples, reference, extractor)
    warnings = report.find_warnings(samples, reference, config)
    said = [f"{name} is left out: {why}" for name, why in left_out.items()]
    said += [*warnings, *_say_protocol(config, sets), *_noted(sets)]
    said += _skipped(described)
    groups = {name: one.measured.groups for name, one in sets.items()}
    settings = {"neighbours": NEIGHBOURS, "split": SPLIT, **asdict(config)}
    return {
        "metrics": compute_metrics(samples, reference, config, set(left_out)),
        "left_out": left_out,
        "seam_energy": compute_seams(samples, reference, config),
        **described,
        "features": {
            "name": extractor.name,
            "pooled": pooled,
            "spatial": spatial,
            **extractor.describe(),
            "identity": identify(extractor),
        },
        "warnings": list(dict.fromkeys(said)),  # both sets may have the same to say
        "cost": {
            ("sampling" if name == "samples" else f"sampling {name}"): one.source.cost()
            for name, one in sets.items()
            if one.source and one.source.cost
        },
        "settings": {**settings, "groups": groups},
        "versions": versions() | {"scipy": scipy.__version__},
    }


def _describe(one: _Set) -> dict[str, Any]:
    kind = "statistics" if one.measured.statistics else one.location.kind
    count = one.measured.count
    found: dict[str, Any] = {"given": one.location.given, "kind": kind, "count": count}
    if one.source is None:
        return found
    shape = list(one.source.image_shape)
    found.update(pictures=one.source.count, image_shape=shape)
    if one.measured.summary:
        found["sha256"] = one.measured.summary.digest
    return {**found, **one.source.describe()}


def _say_protocol(config: EvaluationConfig, sets: Mapping[str, _Set]) -> list[str]:
    """How far the sampling is from that behind published metrics."""
    source = sets["samples"].source
    if config.protocol == "paper" or source is None or not source.cost:
        return []
    hours = source.cost()["hours_as_published"]
    took = f" and would take about {hours:,.1f} hours here" if hours else ""
    return [
        f"a quick look: published metrics are of {PAPER_IMAGES:,} pictures by "
        f"{METRICS.steps} steps of {METRICS.sampler}, which is protocol=paper{took}"
    ]


def _noted(sets: Mapping[str, _Set]) -> list[str]:
    found = [note for one in sets.values() if one.source for note in one.source.notes]
    for one in sets.values():
        if one.measured.statistics:
            found += say_unknown(one.measured.statistics, one.location.given)
    return found


def _skipped(described: Mapping[str, dict[str, Any]]) -> list[str]:
    return [
        f"{len(names)} of {name} could not be read (first: {names[0]})"
        for name, pictures in described.items()
        if (names := pictures.get("skipped"))
    ]


def _own_cost(sets: Mapping[str, _Set], seconds: float) -> dict[str, Any]:
    sums = [one.measured.summary for one in sets.values()]
    read = sum(summary.count for summary in sums if summary)
    return {"pictures": read, "seconds": seconds, "peak_memory": peak_memory()}


def _save(samples: MeasuredSet, extractor: Extractor, config: EvaluationConfig) -> None:
    pooled, spatial = (samples.gaussian(kind, None) for kind in ("pooled", "spatial"))
    if pooled:
        digest = samples.summary.digest if samples.summary else None
        named = extractor.name, identify(extractor), digest
        made = Statistics(pooled, spatial, samples.count, *named)
        save_statistics(config.save_statistics, made)
