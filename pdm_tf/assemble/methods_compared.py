"""Several methods applied to one base, beside each other: a table and a picture."""

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from pdm_tf.assemble.derivation_report import (
    SHOWN,
    check_report,
    known_data,
    request_to,
)
from pdm_tf.assemble.deriving import derive
from pdm_tf.assemble.methods import open_method
from pdm_tf.assemble.models import open_model
from pdm_tf.config import DeriveConfig
from pdm_tf.data.images import save_png
from pdm_tf.data.labelled_sheet import named_rows
from pdm_tf.errors import InputError, SettingError
from pdm_tf.evaluation import metrics
from pdm_tf.evaluation.choosing_features import features_for
from pdm_tf.evaluation.comparison import Request
from pdm_tf.evaluation.features import open_features
from pdm_tf.evaluation.features.random_convolutions import SMALLEST
from pdm_tf.evaluation.report import plain
from pdm_tf.evaluation.versions import versions
from pdm_tf.storage.files import write_json, write_text

Row = dict[str, Any]
BASE = "base"


def compare_methods(
    shared: DeriveConfig,
    methods: Sequence[str],
    given: Any,
    note: Callable[[str], object] = print,
) -> str:
    """Derives OUT/METHOD by each method, or opens it, and measures all beside the base.

    Writes OUT/comparison.json, comparison.md and comparison.png. Given again it goes
    on where it was stopped.

    Args:
      shared: base, out, and how pictures are drawn.
      methods: their names.
      given: settings; each method takes those that it has.
      note: takes lines on what is going on.

    Returns:
      The table, in Markdown.

    Raises:
      InputError: settings, base or a directory that do not fit each other.
    """
    check_report(shared)
    if not shared.report_images:
        raise SettingError("report_images", 0, "give 2 or more")
    base = open_model(shared.base, "base")
    shape = base.settings.network.image_shape
    if min(shape[:2]) < SMALLEST:
        raise InputError(f"pictures of less than {SMALLEST} pixels are not compared")
    extractor = open_features(features_for(shape))
    data, remark = known_data(base.settings, extractor)
    out = Path(shared.out).expanduser()
    drawn = {BASE: _drawn(request_to(base, shared), shared)}
    rows: list[Row] = [_row(BASE, drawn[BASE], drawn[BASE], extractor, data)]
    for name in methods:
        note(f"{name}:")
        row, pictures = _measured(name, shared, given, base, note)
        if pictures is not None:
            row |= _row(name, pictures, drawn[BASE], extractor, data)
            drawn[name] = pictures
        rows.append(row)
    report: Row = {"base": shared.base, "rows": rows, "remark": remark}
    report |= {"pictures": shared.report_images, "versions": versions()}
    write_json(out / "comparison.json", plain(report))
    shown = min(SHOWN, shared.report_images)
    sheet = named_rows({name: pictures[:shown] for name, pictures in drawn.items()})
    save_png(out / "comparison.png", sheet)
    table = format_comparison(rows, list(drawn))
    heading = f"# Methods applied to {shared.base}"
    picture = "![one row a model, of the same seeds](comparison.png)"
    text = "\n\n".join(part for part in (heading, table, remark, picture) if part)
    write_text(out / "comparison.md", text + "\n")
    return table


def _measured(
    name: str,
    shared: DeriveConfig,
    given: Any,
    base: Any,
    note: Callable[[str], object],
) -> tuple[Row, np.ndarray | None]:
    """What one method makes; no pictures, and why, where settings do not suit it."""
    method = open_method(name)
    out = Path(shared.out).expanduser() / name
    try:
        derive(name, shared.base, out, _settings_of(method.Config, given), note)
    except SettingError as error:
        return {"name": name, "refused": str(error)}, None
    derived = open_model(out)
    measure: Callable = getattr(method, "measure", lambda base, derived: {})
    made = {"measured": measure(base.denoiser, derived.denoiser)}
    return {"name": name, **made}, _drawn(request_to(derived, shared), shared)


def _settings_of(config: type, given: Any) -> Any:
    known = {field.name for field in fields(config)}
    wanted = {f.name: getattr(given, f.name) for f in fields(given) if f.name in known}
    return replace(config(), **wanted)


def _drawn(request: Request, shared: DeriveConfig) -> np.ndarray:
    seeds = np.arange(shared.report_images, dtype=np.int32)
    parts = np.array_split(seeds, max(1, len(seeds) // max(1, shared.report_batch)))
    return np.concatenate([request.generate(part) for part in parts])


def _row(
    name: str, pictures: np.ndarray, unaltered: np.ndarray, extractor: Any, data: Any
) -> Row:
    gaussian = metrics.gaussian_of(pictures, extractor)
    distance = metrics.frechet_distance(gaussian, data) if data else None
    likeness = None if name == BASE else metrics.sqnr(unaltered, pictures)
    return {"name": name, "sqnr": likeness, "frechet": distance}


def format_comparison(rows: Sequence[Row], shown: Sequence[str]) -> str:
    """The table, in Markdown.

    Args:
      rows: of the report.
      shown: names of the rows of the picture, from above.
    """
    titles = next((list(row["measured"]) for row in rows if "measured" in row), [])
    header = ["", "SQNR [dB]", "Fréchet distance", *titles]
    lines = [header, ["---"] + ["---:"] * (len(header) - 1)]
    for row in rows:
        measured = [row.get("measured", {}).get(title) for title in titles]
        ratios = [
            f"{new / old:.3f} ×" if old else "" for old, new in filter(None, measured)
        ]
        cells = [_number(row, "sqnr", "{:.1f}"), _number(row, "frechet", "{:.4g}")]
        if "refused" in row:
            cells = [row["refused"], ""]
        lines.append([row["name"], *cells, *(ratios or [""] * len(titles))])
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{table}\n\nRows of the picture: {', '.join(shown)}."


def _number(row: Row, key: str, form: str) -> str:
    return "" if row.get(key) is None else form.format(row[key])
