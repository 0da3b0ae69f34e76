"""Measures translation by noise, CycleDiffusion (arXiv 2210.05559): docs/cycle.md.

On held-out digits. The second model draws sheared digits: it is the first one between a
shear and its inverse, which move whole pixels around and so leave noise noise; hence it
is exactly the model that training on sheared digits would aim at, and every translation
has a known truth.

With --energy, a model that python -m pdm_tf.guidance classifier made of the first one,
translations that its classifier leads are measured, and the others stay as on record;
without, the other way round.

Example: python -m experiments.cycle pretrained:mnist --energy=runs/mnist-classifier
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from experiments.inverse import decibels, interval
from experiments.pages import DOCS, read_record, table, write_page, write_record
from experiments.systems import record_system
from pdm_tf.assemble import open_model
from pdm_tf.data.images import save_png, to_float, to_uint8
from pdm_tf.data.labelled_sheet import named_rows
from pdm_tf.data.sources import open_source
from pdm_tf.denoisers import Denoiser, Prediction
from pdm_tf.denoisers.denoiser import Carry, Wrapper
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.denoisers.label_guidance import LabelGuided
from pdm_tf.diffusion import NoiseLevel
from pdm_tf.editing.cycle import translate
from pdm_tf.editing.energy import led
from pdm_tf.editing.sdedit import sdedit
from pdm_tf.evaluation.metrics import accuracy
from pdm_tf.samplers import DDPM

ARGUMENTS = ("pretrained:mnist",)
COMMAND = (
    "python -m pdm_tf.editing cycle --model=MODEL --image=FILE --labels=CLASS --out=DIR"
)
SHEETS = ("cycle", "cycle_energy")
SHOWN, STEPS, SLOPE = 10, 100, 0.25
# Strength, eta, share refined.
ENERGIES = ((16.0, 0.1, 0.0), (16.0, 0.1, 0.5), (16.0, 1.0, 0.5))
STRENGTHS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)


def sheared(x: Any, back: bool = False) -> Any:
    """Digits whose rows are shifted by a quarter pixel for each row from the middle."""
    rows = x.shape[1]
    shifts = np.round(SLOPE * (rows / 2 - np.arange(rows))).astype(int)
    moved = [
        tf.roll(x[:, i], int(-s if back else s), axis=1) for i, s in enumerate(shifts)
    ]
    return tf.stack(moved, axis=1)


class Sheared(Wrapper):
    """The model of sheared pictures."""

    def predict(
        self, z: tf.Tensor, level: NoiseLevel, carry: Carry
    ) -> tuple[Prediction, Carry]:
        (x, variance), carry = self.denoise.predict(sheared(z, True), level, carry)
        return Prediction(sheared(x), sheared(variance)), carry


class Translator:
    """A model of digits, and digits that it has not seen."""

    def __init__(self, path: str, count: int) -> None:
        model = open_model(path)
        self.model, self.sampling = model.denoiser, model.settings.sampling
        classes = model.denoiser.num_classes
        source = open_source("mnist", self.model.image_shape, classes, split="test")
        self.digits, self.labels = source.read(np.arange(count))
        self.grid = self.model.schedule.grid(STEPS)
        self.x, self.seeds = to_float(self.digits), range(count)
        self.others = (self.labels + 1) % 10
        self.rows = {"digits": self.digits}

    def conditioned(self, labels: np.ndarray, weight: float = 1.0) -> Denoiser:
        """The model for these classes, guided."""
        return for_sampling(self.model, labels, weight, self.sampling)

    def translated(self, target: Denoiser, eta: float, strength: float) -> np.ndarray:
        """Digits drawn by another denoiser, uint8."""
        source = self.conditioned(self.labels)
        made = translate(source, target, self.grid, self.seeds, self.x, strength, eta)
        return to_uint8(made).numpy()

    def shown(self, name: str, made: np.ndarray) -> np.ndarray:
        """Keeps a row of the sheet."""
        self.rows[name] = made[:SHOWN]
        return made


def measured(of: Translator) -> list[dict[str, Any]]:
    """What is measured, and the figure."""
    rows: list[dict[str, Any]] = []

    def say(what: str, figure: float, unit: str, half: float | None = None) -> None:
        row = {"what": what, "figure": round(figure, 4), "unit": unit}
        rows.append(row if half is None else row | {"interval": round(half, 2)})
        print(rows[-1], flush=True)

    own = of.conditioned(of.labels)
    for eta in (0.1, 1.0):
        each = decibels(of.translated(own, eta, 0.85), of.digits)
        say(f"round trip, eta {eta:g}", float(each.mean()), "dB", interval(each))
    truth = to_uint8(sheared(of.x)).numpy()
    target = Sheared(own)
    tried = {}
    for strength in STRENGTHS:
        made = sdedit(target, DDPM(), of.grid, of.seeds, of.x, strength)
        tried[strength] = to_uint8(made).numpy()
    best = max(tried, key=lambda s: decibels(tried[s], truth).mean())
    edited = decibels(of.shown("SDEdit at its best", tried[best]), truth)
    say(f"sheared, SDEdit at its best, strength {best:g}", edited.mean(), "dB")
    found = {}
    for strength in (0.5, 0.7, 0.85):
        for eta in (0.1, 1.0):
            found[strength, eta] = of.translated(target, eta, strength)
    chosen = max(found, key=lambda s: decibels(found[s], truth).mean())
    made = of.shown("sheared by noise", found[chosen])
    each = decibels(made, truth)
    what = f"sheared, by noise, strength {chosen[0]:g}, eta {chosen[1]:g}"
    say(what, float(each.mean()), "dB", interval(each))
    ahead = each - edited
    say("the same, ahead of SDEdit", float(ahead.mean()), "dB", interval(ahead))
    kept = accuracy(to_uint8(sheared(to_float(made), True)).numpy(), of.labels)
    say("the same, read as the digit it was", kept, "")
    others = of.others
    for weight in (1.5, 3.0):
        made = of.translated(of.conditioned(others, weight), 0.1, 0.85)
        of.shown(f"to the next class, w = {weight:g}", made)
        say(f"to the next class, w = {weight:g}", accuracy(made, others), "")
    return rows


def led_by(of: Translator, path: str) -> list[dict[str, Any]]:
    """Rows of translations that an energy leads; no model is told any class."""
    classifier = open_model(path).denoiser
    assert isinstance(classifier, LabelGuided)
    none = np.full_like(of.labels, of.model.num_classes)
    source, rows = of.conditioned(none), []
    for strength, eta, refine in ENERGIES:
        given = of.model, classifier, of.others, strength, of.sampling
        how = of.grid, of.seeds, of.x, 0.85, eta, refine
        made = to_uint8(translate(source, led(*given), *how)).numpy()
        what = f"by energy to the next class, strength {strength:g}, eta {eta:g}"
        what += f", refined {refine:g}" if refine else ""
        share, near = accuracy(made, of.others), decibels(made, of.digits)
        half = 1.96 * np.sqrt(share * (1 - share) / len(made))
        row = {"what": what, "figure": round(share, 4), "unit": ""}
        row |= {"interval": round(float(half), 4)}
        row |= {"to_the_digit": round(float(near.mean()), 2)}
        rows.append(row)
        print(row, flush=True)
        of.shown(what, made)
    return rows


def text_of(rows: Sequence[dict[str, Any]]) -> str:
    """The table of the page and its sheets, whose rows bear their names."""
    cells = []
    for row in rows:
        figure = f"{row['figure']:.1%}" if not row["unit"] else f"{row['figure']:.2f}"
        half = f" ± {row['interval']:.2f}" if "interval" in row and row["unit"] else ""
        if "to_the_digit" in row:
            half = (
                f" ± {row['interval']:.1%}, {row['to_the_digit']:.1f} dB to the digit"
            )
        cells.append((row["what"], f"{figure}{half} {row['unit']}".strip()))
    sheets = [f"![rows of digits](images/{name}.png)" for name in SHEETS]
    return "\n\n".join([table(("what", "figure"), cells), *sheets])


def verdict(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the table of systems says of it: figure, and whether the bar holds."""
    by = {row["what"]: row["figure"] for row in rows}
    trips = {k[12:]: v for k, v in by.items() if "round" in k}
    said = {k: f"{v:.1f} dB" if v < 60 else "exact" for k, v in trips.items()}
    tripped = ", ".join(f"{v} ({k})" for k, v in said.items())
    ahead = by["the same, ahead of SDEdit"]
    kept = by["the same, read as the digit it was"]
    told = "to the next class, "
    classes = ", ".join(f"{v:.0%} ({k[19:]})" for k, v in by.items() if k[:19] == told)
    alone = "by energy to the next class, "
    energies = {k[len(alone) :]: v for k, v in by.items() if k[:9] == alone[:9]}
    led_to = ", ".join(f"{v:.0%} ({k})" for k, v in energies.items())
    figure = (
        f"sheared digits, truth known: {ahead:+.1f} dB on SDEdit at its best, class "
        f"kept {kept:.0%}; round trip {tripped}; to the next class {classes}, by "
        f"energy alone {led_to or 'not measured'}"
    )
    reached = max(energies.values(), default=0.0) >= 0.9
    holds = ahead >= 2 and kept >= 0.9 and min(trips.values()) >= 40 and reached
    return {"figure": figure, "holds": holds}


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, draws the sheet, records, writes the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="a model of digits, any way to name one")
    parser.add_argument("--energy", help="a model with a classifier")
    parser.add_argument("--count", type=int, default=50, help="digits")
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of pages")
    words = parser.parse_args(argv)
    of = Translator(words.model, words.count)
    record = words.docs / "cycle.json"
    rows = read_record(record)
    energies = [row for row in rows if "to_the_digit" in row]
    others = [row for row in rows if row not in energies]
    if words.energy:
        energies, picture = led_by(of, words.energy), "cycle_energy.png"
    else:
        others, picture = measured(of), "cycle.png"
    rows = others + energies
    sheet = named_rows({name: row[:SHOWN] for name, row in of.rows.items()})
    save_png(words.docs / "images" / picture, sheet)
    write_record(record, rows)
    write_page(words.docs / "cycle.md", "cycle", text_of(rows))
    record_system(
        21,
        record=words.docs / "systems.json",
        page=words.docs / "systems.md",
        command=COMMAND,
        **verdict(rows),
    )


if __name__ == "__main__":
    main()
