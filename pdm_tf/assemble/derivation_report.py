"""A derived model beside its base: report.json, report.md and samples.png."""

from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from pdm_tf.assemble.generators import generator_of
from pdm_tf.assemble.methods import open_method
from pdm_tf.assemble.models import OpenedModel, open_model
from pdm_tf.assemble.training import open_pictures
from pdm_tf.config import Config, DeriveConfig
from pdm_tf.config.sampling import COMPARED
from pdm_tf.data.images import save_png
from pdm_tf.data.labelled_sheet import named_rows
from pdm_tf.errors import InputError, SettingError
from pdm_tf.evaluation import metrics
from pdm_tf.evaluation.choosing_features import features_for
from pdm_tf.evaluation.comparison import Request, compare_models
from pdm_tf.evaluation.features import Extractor, open_features
from pdm_tf.evaluation.features.random_convolutions import SMALLEST
from pdm_tf.evaluation.report import plain
from pdm_tf.evaluation.versions import versions
from pdm_tf.samplers import open_sampler
from pdm_tf.serving.generator import choose_sampler
from pdm_tf.storage.files import write_json, write_text
from pdm_tf.storage.locks import locked_place

REFERENCE = 4000  # pictures of the training data that distances are measured to
ENOUGH = 1000  # pictures for a Fréchet distance that means something
SHOWN = 10  # pictures of each in samples.png


def check_report(config: DeriveConfig) -> None:
    """Raises SettingError for a report that cannot be made."""
    if config.report_images == 1 or config.report_images < 0:
        raise SettingError(
            "report_images", config.report_images, "give 2 or more, or 0 for none"
        )
    if config.report_sampler:
        open_sampler(config.report_sampler, setting="report_sampler")


def write_report(config: DeriveConfig) -> str:
    """Compares a derived model with its base; writes three files beside it.

    Returns:
      The table of report.md; or why there is none, for pictures that are too small.

    Raises:
      InputError: models that cannot be opened, or steps that they do not take.
    """
    with locked_place("out", config.out):
        return _write_report(config, Path(config.out).expanduser())


def _write_report(config: DeriveConfig, out: Path) -> str:
    opened = {"base": open_model(config.base, "base"), "derived": open_model(out)}
    settings = opened["base"].settings
    shape = settings.network.image_shape
    if min(shape[:2]) < SMALLEST:
        return f"no report: pictures of less than {SMALLEST} pixels are not compared"
    requests = {name: request_to(model, config) for name, model in opened.items()}
    extractor = open_features(features_for(shape))
    data, remark = known_data(settings, extractor)
    found = compare_models(
        requests["derived"],
        requests["base"],
        extractor,
        data,
        range(config.report_images),
        min(config.report_batch, config.report_images),
    )
    report = _report(found, opened, config, out) | {"remark": remark}
    write_json(out / "report.json", plain(report))
    seeds = np.arange(min(SHOWN, config.report_images), dtype=np.int32)
    rows = {name: requests[name].generate(seeds) for name in ("base", "derived")}
    save_png(out / "samples.png", named_rows(rows))
    table = format_table(report)
    write_text(out / "report.md", format_report(report, table))
    return table


def request_to(model: OpenedModel, config: DeriveConfig) -> Request:
    """The request to a model: its own guidance unless another is given."""
    generator = generator_of(model)
    weight = config.report_guidance or model.settings.sampling.sample_guidance
    given = config.report_sampler, config.report_steps
    sampler, steps = choose_sampler(generator, *given, COMPARED)
    try:
        generator.check(sampler, steps)
    except SettingError as error:
        raise error.named(f"report_{error.setting}") from None
    return Request(generator, sampler, steps, weight)


def known_data(
    settings: Config, extractor: Extractor
) -> tuple[metrics.FeatureGaussian | None, str]:
    """What the training pictures are like; or None, and why not."""
    try:
        source = open_pictures(settings)
    except (InputError, ImportError) as error:
        return None, f"no distance to training pictures: {error}"
    count = min(len(source), REFERENCE)
    chosen = np.linspace(0, len(source) - 1, count).astype(np.int64)
    parts = np.array_split(chosen, max(1, count // 500))
    batches = (source.read(part)[0] for part in parts)
    return metrics.gaussian_of(batches, extractor), ""


def _report(
    found: dict[str, Any],
    opened: dict[str, OpenedModel],
    config: DeriveConfig,
    out: Path,
) -> dict[str, Any]:
    rows = {"base": found.pop("reference"), "derived": found.pop("model")}
    for name, model in opened.items():
        held = model.denoiser.variables.values()
        rows[name]["bytes"] = sum(prod(v.shape) * v.dtype.size for v in held)
    entry = opened["derived"].lineage[-1]
    added = out / entry["weights"] if entry["weights"] else None
    rows["derived"]["bytes_added"] = added.stat().st_size if added else 0
    method = open_method(entry["method"])
    measure: Callable = getattr(method, "measure", lambda base, derived: {})
    return {
        "method": entry["method"],
        "settings": entry["settings"],
        "base_path": config.base,
        "paper": entry["paper"],
        "paper_reports": getattr(method, "REPORTED", ""),
        "not_reproduced": getattr(method, "NOT_REPRODUCED", ""),
        **found,
        **rows,
        "measured": measure(*(model.denoiser for model in opened.values())),
        "versions": versions(),
    }


_ROWS = (
    ("Fréchet distance to training pictures", "frechet", 1.0, "{:.4g}"),
    ("pictures read as their label [%]", "accuracy", 100.0, "{:.1f}"),
    ("evaluations a picture", "evaluations_per_picture", 1.0, "{:.0f}"),
    ("seconds a picture", "seconds_per_picture", 1.0, "{:.4g}"),
    ("bytes of weights", "bytes", 1.0, "{:,.0f}"),
    ("bytes added to the base", "bytes_added", 1.0, "{:,.0f}"),
)


def format_table(report: dict[str, Any]) -> str:
    """The rows of both models, in Markdown."""
    lines = ["| | base | derived | ratio |", "|---|---:|---:|---:|"]
    for title, key, scale, form in _ROWS:
        pair = [report[name].get(key) for name in ("base", "derived")]
        if pair == [None, None]:
            continue
        base, derived = pair
        shown = ["–" if v is None else form.format(scale * v) for v in pair]
        lines.append(_row(title, shown, base, derived))
    for title, (base, derived) in report["measured"].items():
        shown = [f"{value:,.0f}" for value in (base, derived)]
        lines.append(_row(title, shown, base, derived))
    lines += ["", f"Same seeds: SQNR {report['sqnr']:.2f} dB."]
    for remark in (report["left_out"], report["remark"]):
        lines += ["", remark] if remark else []
    return "\n".join(lines)


def _row(
    title: str, shown: list[str], base: float | None, derived: float | None
) -> str:
    ratio = f"{derived / base:.3f}" if base and derived is not None else "–"
    return f"| {title} | {shown[0]} | {shown[1]} | {ratio} |"


def _asked(row: dict[str, Any]) -> str:
    steps, sampler = row["steps"], row["sampler"]
    return f"{steps} steps of {sampler}, guidance {row['guidance']:g}"


def format_report(report: dict[str, Any], table: str) -> str:
    """report.md."""
    settings = ", ".join(f"{n}={v}" for n, v in report["settings"].items())
    base = report["base"]
    lines = [
        f"# {report['method']} of {report['base_path']}",
        "",
        f"{report['paper']}. Settings: {settings or 'none'}.",
        "",
        table,
        "",
        f"{report['pictures']} pictures of the same seeds: {_asked(base)} (base), "
        f"{_asked(report['derived'])} (derived); distances in the space "
        f"“{report['features']}”. Times are medians of batches, the models in turn.",
        "",
    ]
    if report["pictures"] < ENOUGH:
        lines += [f"Distances of fewer than {ENOUGH} pictures are mostly bias.", ""]
    for title, key in (
        ("The paper reports", "paper_reports"),
        ("What does not carry over", "not_reproduced"),
    ):
        if report[key]:
            lines += [f"{title}: {report[key]}", ""]
    lines.append("![Base above, derived below, of the same seeds](samples.png)")
    return "\n".join(lines) + "\n"
