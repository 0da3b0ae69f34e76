"""An evaluation from its settings to its report."""

import platform
import time
from dataclasses import asdict
from typing import Any

import numpy as np
import scipy
import tensorflow as tf

from pdm_tf.config import EvaluationConfig, InputError
from pdm_tf.evaluation import npz, report
from pdm_tf.evaluation.features import open_features
from pdm_tf.evaluation.features.extractor import Extractor
from pdm_tf.evaluation.figures import Judged, compute_figures, compute_seams
from pdm_tf.evaluation.metrics.inception_score import SPLIT
from pdm_tf.evaluation.metrics.manifold import NEIGHBOURS
from pdm_tf.evaluation.places import Place, locate
from pdm_tf.evaluation.sides import Pictures, open_sides
from pdm_tf.evaluation.statistics import (
    Statistics,
    load_statistics,
    save_statistics,
)
from pdm_tf.evaluation.summary import summarise
from pdm_tf.profiling.peak_memory import peak_memory


def evaluate(config: EvaluationConfig) -> dict[str, Any]:
    """Judges --samples, against --reference where that is given.

    Writes the report to --out, and the statistics to --save_statistics.

    Returns:
      The report: figures (each a `Figure` or None), seam_energy by patch size and
      side, samples, reference, features, cost, warnings, settings, versions.

    Raises:
      InputError: settings, files or pictures that no figure can be made of.
    """
    began = time.perf_counter()
    check(config)
    places = [
        locate(flag, getattr(config, flag))
        for flag in ("samples", "reference")
        if getattr(config, flag)
    ]
    graph = config.inception_graph, config.inception_sha256
    extractor = open_features(config.features, *graph)
    stored = {p.flag: _stored(p, extractor) for p in places}
    opened = {p.place.flag: p for p in _open(places, stored, config)}
    _check_patches(opened, config)
    judged = {p.flag: Judged(stored[p.flag]) for p in places}
    for flag, pictures in opened.items():
        seed = config.seed + (flag == "reference")
        summary = summarise(pictures, extractor, config, seed)
        judged[flag] = Judged(stored[flag], summary)
    made = _report(config, places, judged, opened, extractor)
    made["cost"]["evaluation"] = _own_cost(judged, time.perf_counter() - began)
    if config.save_statistics:
        _save(judged["samples"], extractor, config)
    report.write_report(config.out, made)
    return made


def check(config: EvaluationConfig) -> None:
    """Raises InputError for settings that make no sense by themselves."""
    if not config.samples:
        raise InputError(
            "--samples is missing: name an npz, a folder, a source such as mnist, or "
            "a SavedModel"
        )
    smallest = {"num_images": 0, "batch_size": 1, "bootstrap": 0, "manifold_images": 0}
    for name, least in smallest.items():
        if getattr(config, name) < least:
            value = getattr(config, name)
            raise InputError(f"--{name}={value}: at least {least} is needed")
    if not 0 <= config.seed <= 2**31 - 1 - max(config.num_images, 10_000):
        raise InputError(f"--seed={config.seed}: choose from 0 to about 2 billion")
    report.check_writable("out", config.out)
    if config.save_statistics:
        report.check_writable("save_statistics", config.save_statistics)


def _stored(place: Place, extractor: Extractor) -> Statistics | None:
    """The statistics in a side's file, if it is one that holds them."""
    if place.kind != "npz" or "mu" not in npz.list_members(place.flag, place.path):
        return None
    statistics = load_statistics(place.flag, place.path)
    name, sizes = statistics.features or extractor.name, [len(statistics.pooled.mean)]
    sizes += [len(statistics.spatial.mean)] if statistics.spatial else []
    if name != extractor.name or sizes != list(extractor.sizes[: len(sizes)]):
        raise InputError(
            f"--{place.flag}={place.given}: statistics of {sizes} features, "
            f"--features={extractor.name} gives {list(extractor.sizes)}; choose the "
            "--features that made them (2,048 and 2,023 are of inception)"
        )
    return statistics


def _open(
    places: list[Place], stored: dict[str, Statistics | None], config: EvaluationConfig
) -> list[Pictures]:
    """The sides that have pictures."""
    return open_sides(
        [
            place
            for place in places
            if not stored[place.flag]
            or npz.PICTURES in npz.list_members(place.flag, place.path)
        ],
        config,
    )


def _check_patches(opened: dict[str, Pictures], config: EvaluationConfig) -> None:
    for pictures in opened.values():
        side = min(pictures.image_shape[:2])
        for patch_size in config.patch_sizes:
            if not 2 <= patch_size < side:
                raise InputError(
                    f"--patch_sizes={patch_size}: choose from 2 to {side - 1} for "
                    "these pictures"
                )


def _report(
    config: EvaluationConfig,
    places: list[Place],
    judged: dict[str, Judged],
    opened: dict[str, Pictures],
    extractor: Extractor,
) -> dict[str, Any]:
    samples, reference = judged["samples"], judged.get("reference")
    figures = compute_figures(samples, reference, config)
    made: dict[str, Any] = {
        "figures": figures,
        "seam_energy": compute_seams(samples, reference, config),
    }
    for place in places:
        made[place.flag] = _describe(place, judged[place.flag], opened.get(place.flag))
    pooled, spatial = extractor.sizes
    made["features"] = {
        "name": extractor.name,
        "pooled": pooled,
        "spatial": spatial,
        **extractor.describe(),
    }
    made["warnings"] = report.find_warnings(
        samples, reference, extractor.sizes, config
    ) + [_skipped(place, made[place.flag]) for place in places]
    made["warnings"] = [text for text in made["warnings"] if text]
    costs = {flag: pictures.cost for flag, pictures in opened.items()}
    made["cost"] = {
        ("sampling" if flag == "samples" else f"sampling {flag}"): cost()
        for flag, cost in costs.items()
        if cost
    }
    settings = {"neighbours": NEIGHBOURS, "split": SPLIT, **asdict(config)}
    made["settings"] = {**settings, "groups": {k: v.groups for k, v in judged.items()}}
    made["versions"] = {
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "numpy": np.__version__,
        "scipy": scipy.__version__,
    }
    return made


def _describe(place: Place, judged: Judged, pictures: Pictures | None) -> dict:
    kind = "statistics" if judged.statistics else place.kind
    told: dict[str, Any] = {"given": place.given, "kind": kind, "count": judged.count}
    if pictures is None:
        return told
    told.update(pictures=pictures.count, image_shape=list(pictures.image_shape))
    return {**told, **pictures.describe()}


def _skipped(place: Place, told: dict[str, Any]) -> str:
    names = told.get("skipped")
    if not names:
        return ""
    return f"{len(names)} of {place.flag} could not be read (first: {names[0]})"


def _own_cost(judged: dict[str, Judged], seconds: float) -> dict[str, Any]:
    read = sum(side.summary.count for side in judged.values() if side.summary)
    return {"pictures": read, "seconds": seconds, "peak_memory": peak_memory()}


def _save(samples: Judged, extractor: Extractor, config: EvaluationConfig) -> None:
    pooled, spatial = (samples.gaussian(kind, None) for kind in ("pooled", "spatial"))
    if pooled:
        made = Statistics(pooled, spatial, samples.count, extractor.name)
        save_statistics(config.save_statistics, made)
