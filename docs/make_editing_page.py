"""Writes docs/editing.md: what editing with a trained MNIST model is worth.

Real digits that the model has not seen, told their labels. Example:
python docs/make_editing_page.py runs/mnist
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from measuring import SHAPE, features_of

import pdm_tf as pdm
from pdm_tf.assemble import settings_of
from pdm_tf.data.images import contact_sheet, save_png, to_float, to_uint8
from pdm_tf.data.sources import open_source
from pdm_tf.denoisers import Denoiser
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.editing.inpaint import inpaint
from pdm_tf.editing.interpolate import interpolate
from pdm_tf.editing.sdedit import sdedit
from pdm_tf.editing.super_resolve import enlarge, shrink, super_resolve
from pdm_tf.editing.variations import variations
from pdm_tf.samplers import encode, invertible, sample, sample_from

GUIDANCE, STEPS, SHOWN = 1.5, 50, 10
MANY, FEW = 200, 50  # digits for shares, digits for PSNR
STRENGTHS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
SAID = {True: "yes", False: "no"}
HERE = Path(__file__).parent


def decibels(x: np.ndarray, y: np.ndarray) -> float:
    """Mean over pictures of the PSNR of bytes, those without an error left out."""
    error = np.mean((x.astype(float) - y) ** 2, axis=(1, 2, 3))
    return float(np.mean(10 * np.log10(255**2 / error[error > 0])))


def halves(count: int) -> np.ndarray:
    """Masks bool [N, H, W, 1], true in the left, right, upper, lower half in turn."""
    row, column = np.indices(SHAPE[:2]) * 2 // SHAPE[0]
    four = np.stack([column == 0, column == 1, row == 0, row == 1])
    return np.resize(four, (count, *SHAPE[:2]))[..., None]


class Editor:
    """A model, and digits that it was not trained on."""

    def __init__(self, run_dir: str) -> None:
        source = open_source("mnist", SHAPE, 10, split="test")
        self.digits, self.labels = source.read(np.arange(MANY))
        self.settings, self.denoise = (
            settings_of(run_dir).sampling,
            pdm.restore(run_dir),
        )
        self.grid = self.denoise.schedule.grid(STEPS)
        self.rows: dict[str, np.ndarray] = {"input": self.digits[:SHOWN]}

    def told(self, count: int, weight: float = GUIDANCE) -> Denoiser:
        """The denoiser, told the labels of the first digits."""
        return for_sampling(self.denoise, self.labels[:count], weight, self.settings)

    def returned(self, iterations: int) -> float:
        """PSNR of digits encoded and decoded."""
        denoise, grid = self.told(FEW, weight=1.0), invertible(self.grid)
        x = to_float(self.digits[:FEW])
        z = encode(denoise, grid, range(FEW), x, iterations)
        again = to_uint8(sample_from(denoise, pdm.DDIM(), grid, range(FEW), z)).numpy()
        return decibels(again, self.digits[:FEW])

    def inpainted(self, times: int) -> tuple[float, bool]:
        """Share read as the label, and whether every known pixel is as it was."""
        mask, x = halves(MANY), to_float(self.digits)
        denoise, seeds = self.told(MANY), range(MANY)
        made = inpaint(denoise, pdm.DDPM(), self.grid, seeds, x, mask, times)
        made = to_uint8(made).numpy()
        grey = np.where(mask, np.uint8(127), self.digits)
        self.rows.setdefault("half masked", grey[:SHOWN])
        self.rows[f"inpaint, resamplings={times}"] = made[:SHOWN]
        shares = features_of(made).probabilities
        return float(np.mean(shares.argmax(axis=1) == self.labels)), bool(
            (made == self.digits)[~mask].all()
        )

    def edited(self, strength: float) -> np.ndarray:
        """Digits by SDEdit, uint8."""
        x, seeds = to_float(self.digits[:FEW]), range(FEW)
        made = sdedit(self.told(FEW), pdm.DDPM(), self.grid, seeds, x, strength)
        made = to_uint8(made).numpy()
        if strength in (0.3, 0.6):
            self.rows[f"sdedit, strength {strength}"] = made[:SHOWN]
        return made

    def free(self) -> np.ndarray:
        """What is drawn with these seeds when no picture is given."""
        x = sample(self.told(FEW), pdm.DDPM(), self.grid, range(FEW), SHAPE)
        return to_uint8(x).numpy()

    def enlarged(self) -> float:
        """Largest error of the means over squares of 4x4 pixels, in grey levels."""
        small = shrink(to_float(self.digits[:SHOWN]), 4)
        x = super_resolve(self.told(SHOWN), pdm.DDPM(), self.grid, range(SHOWN), small)
        self.rows["8x8 pixels"] = to_uint8(enlarge(small, 4)).numpy()
        self.rows["super_resolve"] = to_uint8(x).numpy()
        return float(np.abs(shrink(x, 4) - small).max() * 127.5)

    def turned(self) -> None:
        """Rows of interpolate and variations, for the sheet."""
        pair = to_float(self.digits[[0, 1]])
        shares = np.linspace(0.0, 1.0, SHOWN).tolist()
        null = for_sampling(self.denoise, np.array([10]), 1.0, self.settings)
        x = interpolate(null, self.grid, pair[:1], pair[1:], shares)
        self.rows["interpolate, first to second"] = to_uint8(x).numpy()
        told = self.told(1, weight=1.0)
        x = variations(told, self.grid, range(SHOWN), pair[:1], 0.5)
        self.rows["variations of the first, strength 0.5"] = to_uint8(x).numpy()


def measured(editor: Editor) -> Iterator[str]:
    """A line of Markdown for each figure."""
    for times in (1, 2):
        psnr = editor.returned(times)
        what = f"DDIM encode → decode, {STEPS} steps, iterations={times}"
        yield f"| {what} | {psnr:.1f} dB |"
    for times in (1, 3):
        share, exact = editor.inpainted(times)
        what = f"inpainting one half, resamplings={times}"
        yield f"| {what}: read as the label | {share:.1%} |"
        yield f"| {what}: known pixels kept to the bit | {SAID[exact]} |"
    made = {strength: editor.edited(strength) for strength in STRENGTHS}
    digits = editor.digits[:FEW]
    same = bool((made[0.0] == digits).all())
    yield f"| SDEdit, strength 0 is the input | {SAID[same]} |"
    free = bool((made[1.0] == editor.free()).all())
    yield f"| SDEdit, strength 1 is free sampling | {SAID[free]} |"
    falls = ", ".join(f"{decibels(made[s], digits):.1f}" for s in STRENGTHS[1:])
    yield f"| SDEdit, PSNR [dB] at strengths 0.1, 0.2, … 1 | {falls} |"
    yield (
        "| super_resolve from 8x8, largest error of a mean | "
        f"{editor.enlarged():.4f} grey levels |"
    )


def main(run_dir: str) -> None:
    """Measures, draws the sheet, writes the page."""
    editor, lines = Editor(run_dir), []
    show: Callable = lines.append
    for line in measured(editor):
        show(line)
        print(line, flush=True)
    editor.turned()
    sheet = contact_sheet(np.concatenate(list(editor.rows.values())), SHOWN)
    (HERE / "images").mkdir(exist_ok=True)
    save_png(HERE / "images" / "editing.png", sheet)
    names = "\n".join(f"{i}. {name}" for i, name in enumerate(editor.rows, start=1))
    table = "\n".join(lines)
    text = f"""# Editing

`python -m pdm_tf.editing TASK` with the model of `configs/mnist.flags`, on digits of
`mnist@test`, which it was not trained on; told their labels, w = {GUIDANCE}, {STEPS}
steps of DDPM. Inpainting: {MANY} digits, left, right, upper, lower half in turn, read
by the shipped classifier (98.8 % on real digits). Others: {FEW} digits. Made by
`python docs/make_editing_page.py runs/mnist`.

| what | figure |
|---|---|
{table}

![rows of digits](images/editing.png)

{names}
"""
    (HERE / "editing.md").write_text(text)


if __name__ == "__main__":
    main(*sys.argv[1:2])
