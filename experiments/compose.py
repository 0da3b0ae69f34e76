"""Measures composing around a seed, COW (arXiv 2306.08247): docs/compose.md.

Held-out digits and photographs, of which a square in the middle is the seed; beside
plain replacement and RePaint at as many evaluations.

Example: python -m experiments.compose pretrained:mnist pretrained:photos
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from experiments.inverse import decibels, interval
from experiments.pages import DOCS, table, write_page, write_record
from experiments.systems import record_system
from pdm_tf.assemble import open_model
from pdm_tf.data.images import save_png, to_float, to_uint8
from pdm_tf.data.labelled_sheet import named_rows
from pdm_tf.data.sources import open_source
from pdm_tf.denoisers.counted import counted
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.editing.compose import compose
from pdm_tf.editing.inpaint import inpaint
from pdm_tf.evaluation.metrics import accuracy
from pdm_tf.samplers import DDIM, DDPM, encode, invertible, sample_from

ARGUMENTS = ("pretrained:mnist", "pretrained:photos")
COMMAND = (
    "python -m pdm_tf.editing compose --model=MODEL --image=FILE --mask=FILE --out=DIR"
)
STEPS, SHOWN, WEIGHT = 50, 10, 3.0


class Composer:
    """A model, held-out pictures, and the square that is their seed."""

    def __init__(self, data: str, path: str, count: int) -> None:
        model = open_model(path)
        self.data, self.denoise = data, model.denoiser
        self.sampling = model.settings.sampling
        shape, self.classes = model.denoiser.image_shape, model.denoiser.num_classes
        source = open_source(data, shape, self.classes, split="test")
        chosen = np.linspace(0, len(source) - 1, count).astype(int)
        if data == "mnist":
            chosen = np.arange(count)
        self.pictures, self.labels = source.read(chosen)
        self.count, self.calls = count, 0
        side = shape[0]
        inside = (np.arange(side) >= side // 4) & (np.arange(side) < side - side // 4)
        if data == "mnist":  # the upper half: a digit's half tells which it may be
            inside = np.arange(side) < side // 2
            self.mask = ~np.broadcast_to(inside[:, None], (side, side))[None, ..., None]
        else:
            self.mask = ~(inside[:, None] & inside[None])[None, ..., None]
        self.rows = {"pictures": self.pictures[:SHOWN]}
        seeds = np.where(self.mask, np.uint8(127), self.pictures)
        self.rows["seeds"] = seeds[:SHOWN]

    def asked(self, weight: float) -> Any:
        """The model conditioned on the labels, its evaluations counted."""

        def note() -> None:
            self.calls += 1

        labels = np.asarray(self.labels if self.classes else [0] * self.count)
        once = counted(self.denoise, note)
        return for_sampling(once, labels.astype(np.int32), weight, self.sampling)

    def made(self, name: str, draw: Callable[[], tf.Tensor]) -> dict[str, Any]:
        """A row: what a way of composing gives."""
        self.calls = 0
        made = to_uint8(draw()).numpy()
        self.rows[name] = made[:SHOWN]
        kept = np.where(self.mask, self.pictures, made)
        share = float((~self.mask).mean())
        each = decibels(kept, self.pictures) + 10 * np.log10(share)
        row = {"data": self.data, "way": name, "count": self.count}
        row |= {"evaluations": self.calls}
        row |= {"seed": round(float(each.mean()), 2)}
        row |= {"seed_interval": round(interval(each), 2)}
        seams = seam_gradients(made, self.mask[0, ..., 0])
        row |= {"seam": round(float(seams.mean()), 2)}
        if self.data == "mnist":
            row |= {"accuracy": round(accuracy(made, self.labels), 4)}
        print(row, flush=True)
        return row


def seam_gradients(pictures: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Mean step in grey levels between neighbours on both sides of a mask: [N]."""
    x, steps = pictures.astype(float), []
    for axis in (0, 1):
        across = np.diff(mask.astype(int), axis=axis) != 0
        step = np.abs(np.diff(x, axis=axis + 1)).mean(-1)
        steps.append(step[:, across])
    return np.concatenate(steps, axis=1).mean(1)


def measured(of: Composer, words: argparse.Namespace) -> list[dict[str, Any]]:
    """A row for each way, and one of the inversion."""
    grid, seeds, rows = of.denoise.schedule.grid(STEPS), range(of.count), []
    x, guided, plain = to_float(of.pictures), of.asked(WEIGHT), of.asked(1.0)
    weight = WEIGHT if of.classes else 1.0

    def around() -> tf.Tensor:
        return compose(guided, plain, grid, seeds, x, of.mask, levels=words.levels)

    rows.append(of.made("COW", around))
    spent = rows[0]["evaluations"]

    def replaced() -> tf.Tensor:
        return inpaint(guided, DDPM(), grid, seeds, x, of.mask)

    rows.append(of.made("replacement", replaced))
    # Two passes over stretches of ten steps cost 2.1 evaluations a step.
    again = of.denoise.schedule.grid(max(2, round(spent / 2.1)))

    def repainted() -> tf.Tensor:
        return inpaint(guided, DDPM(), again, seeds, x, of.mask, 2, 10)

    rows.append(of.made("RePaint", repainted))
    within = invertible(grid)
    z = encode(plain, within, seeds, x)
    back = to_uint8(sample_from(plain, DDIM(), within, seeds, z)).numpy()
    each = decibels(back, of.pictures)
    rows.append({"data": of.data, "way": "round trip", "count": of.count})
    rows[-1] |= {"seed": round(float(each.mean()), 2), "guidance": weight}
    rows[-1] |= {"seed_interval": round(interval(each), 2)}
    print(rows[-1], flush=True)
    sheet = named_rows(of.rows)
    save_png(words.docs / "images" / f"compose_{of.data}.png", sheet)
    return rows


def text_of(rows: Sequence[dict[str, Any]]) -> str:
    """The table and the sheets."""
    header = ("pictures", "way", "evaluations", "seed [dB]", "seam", "read as asked")
    cells = [
        (
            row["data"],
            row["way"],
            row.get("evaluations", ""),
            f"{row['seed']:.1f} ± {row['seed_interval']:.1f}",
            f"{row['seam']:.1f}" if "seam" in row else "",
            f"{row['accuracy']:.1%}" if "accuracy" in row else "",
        )
        for row in rows
    ]
    sheets = [
        f"![{data}](images/compose_{data}.png)"
        for data in dict.fromkeys(row["data"] for row in rows)
    ]
    return "\n\n".join([table(header, cells), *sheets])


def verdict(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the table of systems says of it, and whether the bar holds."""
    said, holds = [], True
    for data in dict.fromkeys(row["data"] for row in rows):
        by = {row["way"]: row for row in rows if row["data"] == data}
        cow, trip = by["COW"], by["round trip"]["seed"]
        seam = cow["seam"] / by["replacement"]["seam"]
        said.append(
            f"{data}: seed {cow['seed']:.1f} dB, seam {seam:.2f} times replacement's, "
            f"round trip {trip:.1f} dB"
        )
        holds &= cow["seed"] >= 25 and seam <= 0.7 and trip >= 35
        if "accuracy" in cow:
            other = by["RePaint"]["accuracy"]
            said[-1] += f", read as asked {cow['accuracy']:.1%}, RePaint {other:.1%}"
            holds &= cow["accuracy"] >= other
    return {"figure": "; ".join(said), "holds": bool(holds)}


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, draws the sheets, records, writes the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("digits", help="a model of digits")
    parser.add_argument("photos", help="a model of photographs")
    parser.add_argument("--count", type=int, default=100, help="digits")
    parser.add_argument("--few", type=int, default=16, help="photographs")
    levels = (0.7, 0.5, 0.15)
    parser.add_argument("--levels", type=float, nargs=3, default=levels)
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of pages")
    words = parser.parse_args(argv)
    given = (("mnist", words.digits, words.count), ("photos", words.photos, words.few))
    rows = []
    for data, path, count in given:
        if count:
            rows += measured(Composer(data, path, count), words)
    write_record(words.docs / "compose.json", rows)
    write_page(words.docs / "compose.md", "compose", text_of(rows))
    record_system(
        35,
        record=words.docs / "systems.json",
        page=words.docs / "systems.md",
        command=COMMAND,
        **verdict(rows),
    )


if __name__ == "__main__":
    main()
