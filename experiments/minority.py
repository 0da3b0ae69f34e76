"""Measures minority guidance (arXiv 2301.12334): docs/minority.md.

The model that is given is one that python -m pdm_tf.guidance minority made of a model
of digits. Judged by the shipped classifier of digits, which had no part in it: scores
are of pixels. A model of digits of which one is thinned may be given too, as
DIGIT=PLACE: the share of that digit in pictures drawn without classes.

Example: python -m experiments.minority runs/rare 2=runs/rare_of_thin_2
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.digits import CLASSES, SHAPE
from experiments.pages import DOCS, read_record, table, write_page, write_record
from experiments.systems import record_system
from pdm_tf.assemble import open_model
from pdm_tf.data.images import save_png, to_uint8
from pdm_tf.data.labelled_sheet import named_rows
from pdm_tf.data.sources import open_source
from pdm_tf.denoisers import Denoiser
from pdm_tf.denoisers.classifier_guidance import ClassifierGuided, classifier_guided
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.evaluation.features import open_features, pooled_of
from pdm_tf.evaluation.features.digits import classify
from pdm_tf.evaluation.metrics.outliers import neighbour_distance
from pdm_tf.guidance.minority_score import minority_scores
from pdm_tf.samplers import DDPM, sample

ARGUMENTS: tuple[str, ...] = ()
COMMAND = "python -m pdm_tf.guidance minority --base=MODEL --out=DIR"
STEPS, SHOWN, BATCH, REPLICATES = 25, 16, 100, 1000
_SNR, _DRAWS = 0.3, 5


class Rare:
    """A model that is guided to the rare."""

    def __init__(self, path: str) -> None:
        model = open_model(path)
        assert isinstance(model.denoiser, ClassifierGuided)
        self.made = model.denoiser
        self.sampling = model.settings.sampling

    def drawn(self, strength: float, count: int, weight: float) -> np.ndarray:
        """Digits, uint8, of all classes in turn where the model has any."""
        parts = []
        for first in range(0, count, BATCH):
            seeds = np.arange(first, min(first + BATCH, count))
            parts.append(self._batch(strength, seeds, weight))
        return np.concatenate(parts)

    def _batch(self, strength: float, seeds: np.ndarray, weight: float) -> np.ndarray:
        base: Denoiser = self.made.denoise
        moved = classifier_guided(base, self.made.density, strength)
        labels = (seeds % max(1, base.num_classes)).astype(np.int32)
        denoise = for_sampling(moved, labels, weight, self.sampling)
        grid = base.schedule.grid(STEPS)
        return to_uint8(sample(denoise, DDPM(), grid, seeds, base.image_shape)).numpy()


def interval(values: np.ndarray, others: np.ndarray) -> tuple[float, float]:
    """95 % of the ratio of means of pairs, by the bootstrap."""
    rows = np.random.default_rng(0).integers(0, len(values), (REPLICATES, len(values)))
    found = values[rows].mean(1) / others[rows].mean(1)
    low, high = np.quantile(found, (0.025, 0.975))
    return round(float(low), 3), round(float(high), 3)


def measured(words: argparse.Namespace) -> list[dict[str, Any]]:
    """A row for each strength, the first without any; draws the sheet."""
    of, extract = Rare(words.model), open_features("digits")
    source = open_source("mnist", SHAPE, CLASSES)
    real = pooled_of(source.read(np.arange(len(source)))[0], extract)
    base, rows, shown = of.made.denoise, [], {}
    first: np.ndarray = np.zeros(0)
    for strength in (0.0, *words.strengths):
        pictures = of.drawn(strength, words.count, 1.5)
        lonely = neighbour_distance(pooled_of(pictures, extract), real)
        first = lonely if not strength else first
        found = classify(pictures)
        asked = np.arange(words.count) % CLASSES
        timestep = base.schedule.timestep(_SNR)
        scores = minority_scores(base, pictures, timestep, _DRAWS)
        row = {"strength": strength, "count": words.count}
        row |= {"neighbours": round(float(lonely.mean()), 3)}
        row |= {"ratio": round(float(lonely.mean() / first.mean()), 3)}
        row |= {"ratio_interval": interval(lonely, first)}
        row |= {"validity": round(float(found.max(1).mean()), 4)}
        row |= {"asked": round(float(np.mean(found.argmax(1) == asked)), 4)}
        row |= {"score": round(float(scores.mean()), 4)}
        rows.append(row)
        print(row, flush=True)
        shown[f"strength {strength:g}"] = pictures[:SHOWN]
    save_png(words.docs / "images" / "minority.png", named_rows(shown))
    return rows


def thinned(digit: int, path: str, words: argparse.Namespace) -> list[dict[str, Any]]:
    """Shares of a thinned digit in pictures of no class."""
    of, rows = Rare(path), []
    for strength in (0.0, *words.thin_strengths):
        found = classify(of.drawn(strength, words.thin_count, 1.0))
        share = float(np.mean(found.argmax(1) == digit))
        half = 1.96 * np.sqrt(share * (1 - share) / words.thin_count)
        row = {"digit": digit, "strength": strength, "count": words.thin_count}
        row |= {"share": round(share, 4), "interval": round(float(half), 4)}
        row |= {"validity": round(float(found.max(1).mean()), 4)}
        rows.append(row)
        print(row, flush=True)
    return rows


def text_of(rows: Sequence[dict[str, Any]]) -> str:
    """Tables and sheet of the page."""
    header = ("strength", "AvgkNN", "of unguided", "95 %", "validity", "class asked")
    whole = [
        (
            f"{row['strength']:g}",
            f"{row['neighbours']:.2f}",
            f"{row['ratio']:.2f}",
            "{:.2f} to {:.2f}".format(*row["ratio_interval"]),
            f"{row['validity']:.1%}",
            f"{row['asked']:.1%}",
        )
        for row in rows
        if "ratio" in row
    ]
    thin = [
        (
            f"{row['digit']}",
            f"{row['strength']:g}",
            f"{row['share']:.1%} ± {row['interval']:.1%}",
            f"{row['validity']:.1%}",
        )
        for row in rows
        if "digit" in row
    ]
    parts = [table(header, whole), "![rows of digits](images/minority.png)"]
    if thin:
        parts.append(table(("thinned", "strength", "share", "validity"), thin))
    return "\n\n".join(parts)


def verdict(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the table of systems says of it, and whether the bar holds."""
    whole = [row for row in rows if "ratio" in row]
    last, first = whole[-1], whole[0]
    lost = 100 * (first["validity"] - last["validity"])
    figure = (
        f"strength {last['strength']:g}: AvgkNN {last['ratio']:.2f} times unguided "
        "({:.2f} to {:.2f})".format(*last["ratio_interval"])
        + f", validity down {lost:.1f} points"
    )
    holds = last["ratio"] >= 1.3 and lost <= 5
    thin = [row for row in rows if "digit" in row]
    gains = {}
    for digit in dict.fromkeys(row["digit"] for row in thin):
        own = [row for row in thin if row["digit"] == digit]
        gains[digit] = own[-1]["share"] / max(own[0]["share"], 1e-9)
        figure += (
            f"; {digit} thinned to 2 %: {own[0]['share']:.1%} of samples, "
            f"{own[-1]['share']:.1%} guided"
        )
    if not gains:
        figure += "; no model of a thinned class was measured"
    return {"figure": figure, "holds": holds and min(gains.values(), default=0) >= 3}


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, records, writes the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", nargs="?", help="guided to the rare; none: the page")
    parser.add_argument("thinned", nargs="*", help="DIGIT=PLACE of such models")
    parser.add_argument("--count", type=int, default=300, help="digits a row")
    parser.add_argument("--strengths", type=float, nargs="+", default=[16.0, 48.0])
    parser.add_argument("--thin_count", type=int, default=300, help="digits a share")
    parser.add_argument(
        "--thin_strengths", type=float, nargs="+", default=[4.0, 16.0, 48.0]
    )
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of pages")
    words = parser.parse_args(argv)
    record = words.docs / "minority.json"
    rows = read_record(record)
    if words.model:
        rows = [row for row in rows if "digit" in row] + measured(words)
        write_record(record, rows)
    for given in words.thinned:
        digit, _, place = given.partition("=")
        rows = [row for row in rows if row.get("digit") != int(digit)]
        rows += thinned(int(digit), place, words)
        write_record(record, rows)
    write_page(words.docs / "minority.md", "minority", text_of(rows))
    record_system(
        36,
        record=words.docs / "systems.json",
        page=words.docs / "systems.md",
        command=COMMAND,
        **verdict(rows),
    )


if __name__ == "__main__":
    main()
