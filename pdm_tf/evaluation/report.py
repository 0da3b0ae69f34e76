"""The report of an evaluation: warnings, a table to read, JSON to keep."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pdm_tf.config import EvaluationConfig
from pdm_tf.errors import MissingSetting, SettingError
from pdm_tf.evaluation.bootstrap import Metric
from pdm_tf.evaluation.set_metrics import MeasuredSet
from pdm_tf.storage.files import try_writing, write_json
from pdm_tf.storage.reading import open_regular, read_json

USUAL = (10_000, 50_000)  # samples behind published metrics


def find_warnings(
    samples: MeasuredSet,
    reference: MeasuredSet | None,
    config: EvaluationConfig,
) -> list[str]:
    """What a reader of the metrics must know."""
    found = []
    if samples.count not in USUAL:
        found.append(
            f"{_counted(samples.count)} samples; published metrics take 10,000 or "
            "50,000, and distances grow as samples get fewer"
        )
    if reference and reference.count != samples.count:
        found.append(
            f"the sets differ: {_counted(samples.count)} samples, "
            f"{_counted(reference.count)} pictures of reference"
        )
    for name, measured in (("samples", samples), ("reference", reference)):
        limit = config.manifold_images
        if measured and measured.summary and measured.summary.count > limit:
            found.append(
                f"precision and recall use the first {limit:,} of {name} "
                "(manifold_images)"
            )
    return found


def _counted(count: int | None) -> str:
    return "an unknown number of" if count is None else f"{count:,}"


def plain(value: Any) -> Any:
    """Nested values as JSON knows them: metrics as objects, NaN as null."""
    if isinstance(value, Metric):
        return plain(value._asdict())
    if isinstance(value, Mapping):
        return {str(key): plain(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [plain(member) for member in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def check_smallest(config: Any, smallest: Mapping[str, int]) -> None:
    """Raises SettingError for a setting below the smallest value that makes sense."""
    for name, least in smallest.items():
        value = getattr(config, name)
        if value < least:
            raise SettingError(name, value, f"at least {least} is needed")


def check_writable(
    setting: str, path: str, ours: Callable[[Path], bool] = lambda _: True
) -> None:
    """Raises SettingError now rather than after the work where `path` cannot be.

    Args:
      setting: that names the file, for messages.
      path: of the file.
      ours: whether one that is there may be replaced, as it is of the same kind.
    """
    if not path.strip():
        raise MissingSetting(setting, "name a file")
    if Path(path).is_dir():
        raise SettingError(setting, path, "is a directory; give the name of a file")
    # Not by way of a link: /dev/stdout leads to a pipe that somebody reads.
    if Path(path).is_fifo() and not Path(path).is_symlink():
        raise SettingError(setting, path, "is a pipe; give the name of a file")
    try:
        if Path(path).is_file() and not ours(Path(path)):
            raise SettingError(
                setting,
                path,
                "is there already and is something else; give another name",
            )
        try_writing(path)
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
        reason = getattr(error, "strerror", None) or "a link that leads to itself"
        remedy = f"cannot be written ({reason}); give another path"
        raise SettingError(setting, path, remedy) from error


def is_report(path: Path) -> bool:
    """Whether a file is a report, of any version; an empty one may become one."""
    with open_regular(path) as file:
        if not file.read(1):
            return True
    try:
        said = read_json(path)
    except (OSError, ValueError):
        return False
    return isinstance(said, dict) and {"versions", "settings"} <= said.keys()


def write_report(path: str | Path, report: Mapping[str, Any]) -> None:
    """Writes the report as JSON, whole or not at all."""
    write_json(path, plain(report))


def format_report(report: dict[str, Any]) -> str:
    """The report as a table."""
    lines = []
    for name in ("samples", "reference"):
        if name in report:
            lines.append(f"{name:<22}{_described(report[name])}")
    features = report["features"]
    lines += [
        f"{'features':<22}{features['name']}: {features['pooled']:,} numbers, "
        f"{features['spatial']:,} spatial",
        "",
    ]
    for name, metric in report["metrics"].items():
        lines.append(f"{name:<22}{_shown(metric)}")
    for patch_size, row in report["seam_energy"].items():
        for which, metric in row.items():
            title = f"seams P={patch_size} {which}"
            lines.append(f"{title:<22}{_shown(metric)}")
    lines.append("")
    for title, cost in report["cost"].items():
        lines.append(f"{title:<22}{_cost(cost)}")
    lines += [f"warning: {text}" for text in report["warnings"]]
    return "\n".join(lines)


def _described(pictures: dict[str, Any]) -> str:
    shape = "x".join(map(str, pictures.get("image_shape", ())))
    rest = [f"{_counted(pictures['count'])} pictures", shape, pictures["kind"]]
    rest += [
        f"{key.replace('_', ' ')} {value}"
        for key, value in pictures.items()
        if key in ("split", "label_policy", "steps", "guidance", "seed")
    ]
    return f"{pictures['given']}: {', '.join(part for part in rest if part)}"


def _shown(metric: Metric | None) -> str:
    if metric is None or not math.isfinite(metric.value):
        return "-"
    text = f"{_number(metric.value):>10}"
    if metric.low is None or metric.high is None:
        return text
    return f"{text}   [{_number(metric.low)}, {_number(metric.high)}]"


def _number(value: float) -> str:
    """Four digits behind the point; what rounds to zero has no sign."""
    return f"{round(value, 4) + 0.0:.4f}"


def _cost(cost: dict[str, Any]) -> str:
    parts = []
    for key, value in cost.items():
        name = key.replace("_", " ")
        if isinstance(value, Mapping):  # bytes by device
            parts += [f"{name} {k} {v / 2**20:,.0f} MiB" for k, v in value.items()]
        elif isinstance(value, float) or (isinstance(value, int) and value > 10**9):
            parts.append(f"{name} {value:,.4g}")
        elif value is not None:
            parts.append(f"{name} {value:,}")
    return ", ".join(parts)
