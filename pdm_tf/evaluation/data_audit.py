"""The rare pictures of a data set: a table of scores, and a sheet to look at.

What is rarest for a model is a class that is thin, a style of few, or a picture that
does not belong there.
"""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pdm_tf.config import AuditConfig
from pdm_tf.data.images import save_png
from pdm_tf.data.labelled_sheet import COLUMNS, named_rows
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.errors import MissingSetting
from pdm_tf.evaluation import report
from pdm_tf.evaluation.choosing_features import features_for
from pdm_tf.evaluation.features import Extractor, open_features, pooled_of
from pdm_tf.evaluation.image_sources import open_pictures
from pdm_tf.evaluation.metrics.outliers import NEIGHBOURS, neighbour_distance
from pdm_tf.evaluation.versions import versions
from pdm_tf.guidance.minority_score import minority_scores
from pdm_tf.progress import progress
from pdm_tf.storage.files import write_text

FIELDS = ("number", "label", "score", "rank", "neighbours")
_RARE = 0.1  # share of the pictures whose classes the summary counts
_SHOWN = 12  # pictures in a row of the sheet
_OF_CLASS = 6


class DataAudit(NamedTuple):
    """What was found of each picture, in the order in which they were given."""

    scores: np.ndarray  # float32 [N]; more is rarer for the model
    neighbours: np.ndarray | None  # float64 [N]: AvgkNN, how lonely among features
    labels: np.ndarray  # int32 [N]; zeros where there are no classes
    class_names: tuple[str, ...] = ()

    @property
    def ranks(self) -> np.ndarray:
        """Share of the pictures that are commoner, float64 [N] in 0 … 1."""
        order = np.argsort(np.argsort(self.scores, kind="stable"), kind="stable")
        return order / max(len(order) - 1, 1)

    def rarest(self, count: int) -> np.ndarray:
        """Numbers of the rarest pictures, the rarest first."""
        return np.argsort(-self.scores, kind="stable")[:count]

    def commonest(self, count: int) -> np.ndarray:
        """Numbers of the commonest pictures, the commonest first."""
        return np.argsort(self.scores, kind="stable")[:count]

    def rows(self) -> Iterator[dict[str, Any]]:
        """A row for each picture, by the names of `FIELDS`, the rarest first."""
        ranks = self.ranks
        for n in self.rarest(len(self.scores)):
            lonely = None if self.neighbours is None else float(self.neighbours[n])
            yield {
                "number": int(n),
                "label": self.name_of(int(self.labels[n])),
                "score": float(self.scores[n]),
                "rank": float(ranks[n]),
                "neighbours": lonely,
            }

    def name_of(self, label: int) -> str:
        """The name of a class, or its number."""
        return self.class_names[label] if self.class_names else str(label)

    def classes(self) -> list[dict[str, Any]]:
        """Of each class its size, mean score, and share among the rarest tenth."""
        rare = self.ranks > 1.0 - _RARE
        found = []
        for label in np.unique(self.labels):
            own = self.labels == label
            found.append(
                {
                    "label": self.name_of(int(label)),
                    "pictures": int(own.sum()),
                    "score": float(self.scores[own].mean()),
                    "rare": float(rare[own].mean()),
                }
            )
        return found

    def sheet(self, pictures: np.ndarray) -> np.ndarray:
        """The commonest and rarest pictures, of all and of each class: uint8."""
        shown = {
            "commonest": pictures[self.commonest(_SHOWN)],
            "rarest": pictures[self.rarest(_SHOWN)],
        }
        labels = np.unique(self.labels)
        if 1 < len(labels) <= COLUMNS:
            for label in labels:
                own = np.flatnonzero(self.labels == label)
                own = own[np.argsort(self.scores[own], kind="stable")]
                ends = np.concatenate([own[:_OF_CLASS], own[-_OF_CLASS:][::-1]])
                shown[f"{self.name_of(int(label))}: common, rare"] = pictures[ends]
        return named_rows(shown)


def audit_pictures(
    denoise: Denoiser,
    pictures: np.ndarray,
    labels: np.ndarray | None = None,
    class_names: Sequence[str] = (),
    extractor: Extractor | None = None,
    snr: float = AuditConfig.snr,
    draws: int = AuditConfig.draws,
    seed: int = 0,
    within_classes: bool = False,
    advance: Callable[[int], object] = lambda count: None,
) -> DataAudit:
    """Scores pictures by how rare they are.

    Args:
      denoise: a model of such pictures, not conditioned.
      pictures: uint8 [N, H, W, C], of its shape.
      labels: classes int32 [N]; None where there are none.
      class_names: one for each label.
      extractor: of features in which neighbours are looked for; None: they are not.
      snr: signal-to-noise ratio of the level that pictures are noised to.
      draws: noises for each picture.
      seed: of the first of them.
      within_classes: whether a picture is compared with those of its class alone.
      advance: takes the number of evaluations that have ended.
    """
    scores = minority_scores(
        denoise,
        pictures,
        denoise.schedule.timestep(snr),
        draws,
        seed,
        labels if within_classes and denoise.num_classes else None,
        advance=advance,
    )
    lonely = None
    if extractor is not None and len(pictures) > NEIGHBOURS:
        points = pooled_of(pictures, extractor)
        lonely = neighbour_distance(points, points, themselves=True)
    known = np.zeros(len(pictures), np.int32) if labels is None else labels
    return DataAudit(scores, lonely, known, tuple(class_names))


def check(config: AuditConfig) -> None:
    """Raises InputError for settings that make no sense by themselves."""
    for name in ("model", "reference"):
        if not getattr(config, name):
            raise MissingSetting(name, "name a model and the pictures it is to judge")
    report.check_smallest(config, {"num_images": 0, "draws": 1, "seed": 0})
    report.check_writable("out", config.out, report.is_report)


def audit(
    config: AuditConfig, denoise: Denoiser, class_names: Sequence[str] = ()
) -> dict[str, Any]:
    """Scores the pictures that a setting names.

    Writes the report to `out`, and beside it the table as CSV and the sheet as PNG.

    Raises:
      InputError: settings or pictures that nothing can be made of.
    """
    check(config)
    pictures, labels = _read(config, denoise)
    name = features_for(denoise.image_shape)
    extractor = None
    if config.features != "none":
        chosen = name if config.features == "auto" else config.features
        extractor = open_features(chosen)
    total = config.draws * len(pictures)
    with progress(None, "scoring", "evaluations", total=total) as bar:
        found = audit_pictures(
            denoise,
            pictures,
            labels,
            class_names if labels.max() < len(class_names) else (),
            extractor,
            config.snr,
            config.draws,
            config.seed,
            config.within_classes,
            bar.update,
        )
    files = {end: str(Path(config.out).with_suffix(f".{end}")) for end in _ENDINGS}
    save_png(files["png"], found.sheet(pictures))
    write_text(files["csv"], _as_csv(found))
    made = {
        "pictures": len(pictures),
        "classes": found.classes(),
        "rarest": [row for row, _ in zip(found.rows(), range(_SHOWN), strict=False)],
        "features": extractor.name if extractor else None,
        "table": files["csv"],
        "sheet": files["png"],
        "settings": asdict(config),
        "versions": versions(),
    }
    report.write_report(config.out, made)
    return made


_ENDINGS = ("csv", "png")


def _read(config: AuditConfig, denoise: Denoiser) -> tuple[np.ndarray, np.ndarray]:
    """The pictures, and their classes as far as there are any."""
    source = open_pictures("reference", config.reference, denoise.image_shape)
    if source.image_shape != tuple(denoise.image_shape):
        raise source.location.error(
            f"pictures of {source.image_shape}, the model makes {denoise.image_shape}; "
            "give pictures of that shape"
        )
    parts, count = [], 0
    for batch, labels in source.labelled(256):
        parts.append((batch, labels))
        count += len(batch)
        if config.num_images and count >= config.num_images:
            break
    pictures, labels = (np.concatenate(part) for part in zip(*parts, strict=True))
    kept = slice(config.num_images or None)
    return pictures[kept], labels[kept]


def _as_csv(found: DataAudit) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS, lineterminator="\n")
    writer.writeheader()
    for row in found.rows():
        plain = {
            name: f"{value:.6g}" if isinstance(value, float) else value
            for name, value in row.items()
        }
        writer.writerow(plain)
    return text.getvalue()


def format_audit(made: dict[str, Any]) -> str:
    """The report as lines."""
    lines = [f"{made['pictures']:,} pictures; a class, its pictures, its mean score,"]
    lines.append(f"and how many of them are among the rarest {_RARE:.0%} of all:")
    for row in made["classes"]:
        lines.append(
            f"  {row['label']:<20}{row['pictures']:>8,}{row['score']:>10.4f}"
            f"{row['rare']:>8.1%}"
        )
    lines.append(f"all scores are in {made['table']}, the rarest on {made['sheet']}")
    return "\n".join(lines)
