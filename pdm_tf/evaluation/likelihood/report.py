"""A likelihood from its settings to its report: JSON, a curve as CSV and as picture."""

import math
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pdm_tf.config import LikelihoodConfig, Variance
from pdm_tf.denoisers import Denoiser
from pdm_tf.errors import SettingError
from pdm_tf.evaluation.likelihood import images
from pdm_tf.evaluation.likelihood.bound import Bound, cut_sections, measure_bound
from pdm_tf.evaluation.likelihood.curve import draw_curve, write_curve
from pdm_tf.evaluation.report import (
    check_smallest,
    check_writable,
    is_report,
    write_report,
)
from pdm_tf.evaluation.stored_images import ImageSource
from pdm_tf.evaluation.versions import versions
from pdm_tf.profiling.parameters import count_parameters
from pdm_tf.profiling.peak_memory import peak_memory
from pdm_tf.progress import progress


class Mean(NamedTuple):
    """A mean over pictures and its standard error [bits per dimension]."""

    value: float
    standard_error: float

    @classmethod
    def of(cls, bits: np.ndarray) -> "Mean":
        """Of float64 [N]; N is 2 at least."""
        return cls(float(bits.mean()), float(bits.std(ddof=1) / math.sqrt(len(bits))))


def check(config: LikelihoodConfig) -> None:
    """Raises InputError for settings that make no sense by themselves."""
    for name in ("model", "reference"):
        if not getattr(config, name):
            raise SettingError(
                name,
                None,
                "missing; a likelihood needs the `model` of a run or split and a "
                "`reference` such as mnist",
            )
    check_smallest(config, {"num_images": 0, "batch_size": 1, "seed": 0})
    if Path(config.out).suffix in (".csv", ".png"):
        raise SettingError(
            "out",
            config.out,
            "the curve goes there; give a name such as "
            f"{Path(config.out).with_suffix('.json')}",
        )
    check_writable("out", config.out, is_report)
    for path in _curve_files(config.out):
        # Without a report beside it, it is no curve of ours.
        check_writable("out", str(path), lambda _: Path(config.out).is_file())


def _curve_files(out: str) -> tuple[Path, Path]:
    """CSV and PNG beside the report."""
    return Path(out).with_suffix(".csv"), Path(out).with_suffix(".png")


def report_likelihood(
    config: LikelihoodConfig, denoise: Denoiser, variance: Variance
) -> dict[str, Any]:
    """Measures a model's bound; writes the report and the curve.

    Args:
      config: the settings.
      denoise: the model.
      variance: of its steps, see `measure_bound`.

    Returns:
      The report: likelihood (bits_per_dim and its parts prior, steps and decoder, each
      a `Mean`), model, reference, cost, warnings, settings, versions.

    Raises:
      InputError: settings or pictures that do not fit each other or the model.
    """
    began = time.perf_counter()
    check(config)
    terms = len(cut_sections(denoise.schedule.timesteps, config.terms)) - 1
    labelled = config.use_labels and denoise.num_classes > 0
    classes = denoise.num_classes * labelled
    reference = images.open_reference(config, denoise.image_shape, classes)
    bound = _measure(config, denoise, variance, reference, terms)
    made: dict[str, Any] = {
        "likelihood": {
            "bits_per_dim": Mean.of(bound.total),
            "prior": Mean.of(bound.prior),
            "steps": Mean.of(bound.steps),
            "decoder": Mean.of(bound.decoder),
        },
        "model": {
            "path": config.model,
            "timesteps": denoise.schedule.timesteps,
            "terms": terms,
            "variance": variance,
            "clipped": config.clip,
            "labels": "used" if labelled else "not used",
        },
        "reference": images.describe(reference),
        "cost": _cost(denoise, reference.count, terms, time.perf_counter() - began),
        "warnings": [*images.warnings(reference), *_say_estimated(terms, denoise)],
        "settings": asdict(config),
        "versions": versions(),
    }
    table, picture = _curve_files(config.out)
    write_curve(table, bound, denoise.schedule)
    try:
        draw_curve(picture, bound)
    except ModuleNotFoundError as error:  # an extra that not everybody installs
        made["warnings"] = [*made["warnings"], f"the curve is not drawn: {error}"]
    means = {name: mean._asdict() for name, mean in made["likelihood"].items()}
    write_report(config.out, {**made, "likelihood": means})
    return made


def _measure(
    config: LikelihoodConfig,
    denoise: Denoiser,
    variance: Variance,
    reference: ImageSource,
    terms: int,
) -> Bound:
    total = reference.count * terms
    with progress(None, "likelihood", "terms", total) as bar:
        return measure_bound(
            denoise,
            reference.labelled(config.batch_size),
            variance,
            config.clip,
            config.use_labels,
            config.terms,
            config.seed,
            bar.update,
        )


def _say_estimated(terms: int, denoise: Denoiser) -> list[str]:
    timesteps = denoise.schedule.timesteps
    if terms == timesteps:
        return []
    return [
        f"an unbiased estimate by {terms:,} terms a picture; terms=0 evaluates all "
        f"{timesteps:,} and takes {timesteps / terms:.0f} times as long"
    ]


def _cost(
    denoise: Denoiser, pictures: int, terms: int, seconds: float
) -> dict[str, Any]:
    return {
        "pictures": pictures,
        "evaluations_per_picture": terms,
        "seconds": seconds,
        "pictures_per_second": pictures / seconds,
        "parameters": count_parameters(denoise.variables.values()),
        "peak_memory": peak_memory(),
    }


def format_likelihood(made: dict[str, Any]) -> str:
    """The report as a table."""
    model, reference, cost = made["model"], made["reference"], made["cost"]
    shape = "x".join(map(str, reference["image_shape"]))
    split = f", split {reference['split']}" if "split" in reference else ""
    share = "all" if model["terms"] == model["timesteps"] else "an unbiased estimate by"
    lines = [
        f"{'model':<22}{model['path']}: variance {model['variance']}, estimates "
        f"{'clipped' if model['clipped'] else 'not clipped'}, labels {model['labels']}",
        f"{'reference':<22}{reference['given']}: {reference['count']:,} pictures, "
        f"{shape}{split}",
        f"{'terms':<22}{share} {model['terms']} of {model['timesteps']}",
        "",
    ]
    for name, mean in made["likelihood"].items():
        title = "bits/dim, at most" if name == "bits_per_dim" else f"  {name}"
        lines.append(f"{title:<22}{mean.value:10.5f}   ± {mean.standard_error:.5f}")
    peak = max(cost["peak_memory"].values()) / 2**20
    lines += [
        "",
        f"{'cost':<22}{cost['seconds']:,.4g} seconds, "
        f"{cost['pictures_per_second']:,.4g} pictures/s, "
        f"{cost['evaluations_per_picture']:,} evaluations per picture, "
        f"{cost['parameters']:,} parameters, peak memory {peak:,.0f} MiB",
    ]
    return "\n".join([*lines, *(f"warning: {text}" for text in made["warnings"])])
