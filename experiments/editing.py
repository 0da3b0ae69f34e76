"""Measures what editing with a model of digits is worth: docs/editing.md.

On real digits that the model has not seen, conditioned on their labels.

Example: python -m experiments.editing runs/mnist
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import pdm_tf as pdm
from experiments.digits import SHAPE
from experiments.pages import DOCS, table, write_page, write_record
from pdm_tf.assemble import open_model
from pdm_tf.data.images import save_png, to_float, to_uint8
from pdm_tf.data.labelled_sheet import named_rows
from pdm_tf.data.sources import open_source
from pdm_tf.denoisers import Denoiser
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.editing.inpaint import inpaint
from pdm_tf.editing.interpolate import interpolate
from pdm_tf.editing.sdedit import sdedit
from pdm_tf.editing.super_resolve import enlarge, shrink, super_resolve
from pdm_tf.editing.variations import variations
from pdm_tf.evaluation.metrics import accuracy, psnr
from pdm_tf.samplers import encode, invertible, sample, sample_from

ARGUMENTS = ("pretrained:mnist",)
GUIDANCE, SHOWN = 1.5, 10
STRENGTHS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
SHOWN_AS = {True: "yes", False: "no"}


def decibels(x: np.ndarray, y: np.ndarray) -> float:
    """Mean over pictures of the PSNR of bytes, those without an error left out."""
    altered = (x != y).any(axis=(1, 2, 3))
    return psnr(x[altered], y[altered]) if altered.any() else np.inf


def halves(count: int) -> np.ndarray:
    """Masks bool [N, H, W, 1], true in the left, right, upper, lower half in turn."""
    row, column = np.indices(SHAPE[:2]) * 2 // SHAPE[0]
    four = np.stack([column == 0, column == 1, row == 0, row == 1])
    return np.resize(four, (count, *SHAPE[:2]))[..., None]


class Editor:
    """A model, and digits that it was not trained on."""

    def __init__(self, path: str, many: int, few: int, steps: int) -> None:
        source = open_source("mnist", SHAPE, 10, split="test")
        self.digits, self.labels = source.read(np.arange(many))
        model = open_model(path)
        self.denoise, self.settings = model.denoiser, model.settings.sampling
        self.steps = steps
        self.many, self.few, self.shown = many, few, min(SHOWN, few)
        self.grid = self.denoise.schedule.grid(steps)
        self.rows: dict[str, np.ndarray] = {"input": self.digits[: self.shown]}

    def conditioned(self, count: int, weight: float = GUIDANCE) -> Denoiser:
        """The denoiser, conditioned on the labels of the first digits."""
        return for_sampling(self.denoise, self.labels[:count], weight, self.settings)

    def returned(self, iterations: int) -> float:
        """PSNR of digits encoded and decoded."""
        denoise, grid = self.conditioned(self.few, weight=1.0), invertible(self.grid)
        x = to_float(self.digits[: self.few])
        z = encode(denoise, grid, range(self.few), x, iterations)
        again = to_uint8(
            sample_from(denoise, pdm.DDIM(), grid, range(self.few), z)
        ).numpy()
        return decibels(again, self.digits[: self.few])

    def inpainted(self, times: int) -> tuple[float, bool]:
        """Share read as the label, and whether every known pixel is as it was."""
        mask, x = halves(self.many), to_float(self.digits)
        denoise, seeds = self.conditioned(self.many), range(self.many)
        made = inpaint(denoise, pdm.DDPM(), self.grid, seeds, x, mask, times)
        made = to_uint8(made).numpy()
        grey = np.where(mask, np.uint8(127), self.digits)
        self.rows.setdefault("half masked", grey[: self.shown])
        self.rows[f"inpaint, resamplings={times}"] = made[: self.shown]
        kept = bool((made == self.digits)[~mask].all())
        return accuracy(made, self.labels), kept

    def edited(self, strength: float) -> np.ndarray:
        """Digits by SDEdit, uint8."""
        x, seeds = to_float(self.digits[: self.few]), range(self.few)
        made = sdedit(
            self.conditioned(self.few), pdm.DDPM(), self.grid, seeds, x, strength
        )
        made = to_uint8(made).numpy()
        if strength in (0.3, 0.6):
            self.rows[f"sdedit, strength {strength}"] = made[: self.shown]
        return made

    def free(self) -> np.ndarray:
        """What is drawn with these seeds when no picture is given."""
        x = sample(
            self.conditioned(self.few), pdm.DDPM(), self.grid, range(self.few), SHAPE
        )
        return to_uint8(x).numpy()

    def enlarged(self) -> float:
        """Largest error of the means over squares of 4x4 pixels, in grey levels."""
        small = shrink(to_float(self.digits[: self.shown]), 4)
        x = super_resolve(
            self.conditioned(self.shown),
            pdm.DDPM(),
            self.grid,
            range(self.shown),
            small,
        )
        self.rows["8x8 pixels"] = to_uint8(enlarge(small, 4)).numpy()
        self.rows["super_resolve"] = to_uint8(x).numpy()
        return float(np.abs(shrink(x, 4) - small).max() * 127.5)

    def turned(self) -> None:
        """Rows of interpolate and variations, for the sheet."""
        pair = to_float(self.digits[[0, 1]])
        shares = np.linspace(0.0, 1.0, self.shown).tolist()
        null = for_sampling(self.denoise, np.array([10]), 1.0, self.settings)
        x = interpolate(null, self.grid, pair[:1], pair[1:], shares)
        self.rows["interpolate, first to second"] = to_uint8(x).numpy()
        single = self.conditioned(1, weight=1.0)
        x = variations(single, self.grid, range(self.shown), pair[:1], 0.5)
        self.rows["variations of the first, strength 0.5"] = to_uint8(x).numpy()


def measured(editor: Editor) -> Iterator[tuple[str, str]]:
    """What is measured and the figure, one by one."""
    for times in (1, 2):
        what = f"DDIM encode → decode, {editor.steps} steps, iterations={times}"
        yield what, f"{editor.returned(times):.1f} dB"
    for times in (1, 3):
        share, exact = editor.inpainted(times)
        what = f"inpainting one half, resamplings={times}"
        yield f"{what}: read as the label", f"{share:.1%}"
        yield f"{what}: known pixels kept to the bit", SHOWN_AS[exact]
    made = {strength: editor.edited(strength) for strength in STRENGTHS}
    digits = editor.digits[: editor.few]
    same = bool((made[0.0] == digits).all())
    yield "SDEdit, strength 0 is the input", SHOWN_AS[same]
    free = bool((made[1.0] == editor.free()).all())
    yield "SDEdit, strength 1 is free sampling", SHOWN_AS[free]
    falls = ", ".join(f"{decibels(made[s], digits):.1f}" for s in STRENGTHS[1:])
    yield "SDEdit, PSNR [dB] at strengths 0.1, 0.2, … 1", falls
    what = "super_resolve from 8x8, largest error of a mean"
    yield what, f"{editor.enlarged():.4f} grey levels"


def text_of(rows: Sequence[dict[str, Any]], names: Iterable[str]) -> str:
    """The table of the page, the sheet and what its rows are."""
    listed = "\n".join(f"{i}. {name}" for i, name in enumerate(names, start=1))
    cells = table(("what", "figure"), ((row["what"], row["figure"]) for row in rows))
    return f"{cells}\n\n![rows of digits](images/editing.png)\n\n{listed}"


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, draws the sheet, records, writes the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="a model of digits, any way to name one")
    parser.add_argument("--many", type=int, default=200, help="digits behind a share")
    parser.add_argument("--few", type=int, default=50, help="digits behind a PSNR")
    parser.add_argument("--steps", type=int, default=50, help="steps of the sampler")
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of pages")
    words = parser.parse_args(argv)
    editor = Editor(words.model, words.many, words.few, words.steps)
    rows = []
    for what, figure in measured(editor):
        rows.append({"what": what, "figure": figure})
        print(what, figure, flush=True)
    editor.turned()
    save_png(words.docs / "images" / "editing.png", named_rows(editor.rows))
    write_record(words.docs / "editing.json", rows)
    write_page(words.docs / "editing.md", "editing", text_of(rows, editor.rows))


if __name__ == "__main__":
    main()
