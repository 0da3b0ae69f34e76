"""Measures how a circuit steers inpainting (Tiramisu, arXiv 2401.03349).

Held-out digits under six masks, restored by replacement (ddnm) and by RePaint, both
with DDIM's steps, and by the same that a circuit steers, of the same seeds; 100
evaluations of the model for each. Settings were chosen on other held-out digits. The
circuit is one that python -m pdm_tf.inverse learn_circuit --dataset=mnist made.

Example: python -m experiments.tiramisu runs/circuit
"""

import argparse
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from scipy.stats import binom

from experiments.digits import CLASSES, SHAPE
from experiments.inverse import EVALUATIONS, REPAINTED, decibels, interval
from experiments.pages import DOCS, read_record, table, write_page, write_record
from experiments.systems import Verdict, record_system
from pdm_tf.assemble import open_model
from pdm_tf.config.inverse import TiramisuConfig
from pdm_tf.data.images import save_png, to_float, to_uint8
from pdm_tf.data.labelled_sheet import named_rows
from pdm_tf.data.sources import open_source
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.evaluation.features import open_features, pooled_of
from pdm_tf.inverse import tiramisu
from pdm_tf.inverse.circuits.files import read_circuit
from pdm_tf.inverse.ddnm import Projected
from pdm_tf.inverse.operators.masks import Mask
from pdm_tf.inverse.problem import Problem
from pdm_tf.inverse.repaint import Resampled, resampled_grid
from pdm_tf.samplers import DDIM, sample

ARGUMENTS: tuple[str, ...] = ()
COMMAND = (
    "python -m pdm_tf.inverse tiramisu --model=MODEL --circuit=DIR --operator=box:0.5 "
    "--image=FILE --out=DIR"
)
NOT_REPRODUCED = (
    "VQ-GAN, large circuits, CoPaint; steering while t > 0.9 N alone, which changes "
    "nothing at 32x32 pixels"
)
TIME = "time"  # the row that is of no mask
REPORTED, SHOWN, JUMP = 500, 6, 5  # pictures to choose from, to show; steps
WANTED, LIMIT = 4, 15.0  # masks, per cent of time
SAMPLERS: dict[str, tuple[int, int]] = {  # resamplings, and steps for 100 evaluations
    "repaint": (2, REPAINTED),
    "replacement": (1, EVALUATIONS),
}


def masks() -> dict[str, np.ndarray]:
    """What is hidden, bool [32, 32], by name."""
    found = {name: np.zeros(SHAPE[:2], bool) for name in NAMES}
    found["left half"][:, :16] = True
    found["right half"][:, 16:] = True
    found["lower half"][16:] = True
    found["middle"][8:24, 8:24] = True
    found["all but the middle"][:] = ~found["middle"]
    rows = np.random.default_rng(0).permutation(16)[:10]
    found["stripes"][np.concatenate([2 * rows, 2 * rows + 1])] = True
    return found


NAMES = (
    "left half",
    "right half",
    "lower half",
    "middle",
    "all but the middle",
    "stripes",  # ten of sixteen, two pixels high, by chance
)


class Digits:
    """Held-out digits, a model of digits, and what it restores of them."""

    def __init__(
        self, model: str, circuit: str, count: int, seeds: int = 1, most: int = 0
    ) -> None:
        opened = open_model(model)
        source = open_source("mnist", SHAPE, CLASSES, split="test")
        chosen = np.linspace(0, REPORTED - 1, count).astype(int)[: most or None]
        pictures = source.read(chosen)[0]
        self.pictures, self.circuit = np.tile(pictures, (seeds, 1, 1, 1)), circuit
        self.count, self.seeds = len(chosen), seeds
        labels = np.full(len(self.pictures), CLASSES, np.int32)
        sampling = opened.settings.sampling
        self.denoise = for_sampling(opened.denoiser, labels, 1.0, sampling)
        self._extract = open_features("digits")
        self._known = pooled_of(self.pictures, self._extract)

    def problem(self, hidden: np.ndarray) -> Problem:
        """The digits without what a mask hides."""
        operator = Mask(SHAPE, hidden)
        y = operator.forward(to_float(self.pictures))
        return Problem(operator, y, self.pictures)

    def restored(
        self, problem: Problem, sampler: str, steered: bool, steps: int = 0
    ) -> np.ndarray:
        """Results, uint8, all digits for each seed, with the circuit or without it."""
        return to_uint8(self.prepared(problem, sampler, steered, steps)()).numpy()

    def prepared(
        self, problem: Problem, sampler: str, steered: bool, steps: int = 0
    ) -> Callable[[], tf.Tensor]:
        """What restores the digits, of one graph however often it is called."""
        resamplings, known = SAMPLERS[sampler]
        config = TiramisuConfig(resamplings, JUMP, "ddim", self.circuit)
        if not steered:
            config = replace(config, share=1.0)
        learnt = read_circuit(self.circuit, SHAPE)
        steering = tiramisu.Steering(self.denoise, problem, learnt, config)
        held = Projected(steering, problem)
        grid = self.denoise.schedule.grid(steps or known)
        grid = resampled_grid(grid, resamplings, JUMP)
        solver, seeds = Resampled(DDIM()), range(len(self.pictures))
        return lambda: sample(held, solver, grid, seeds, SHAPE)

    def judged(self, made: np.ndarray) -> dict[str, np.ndarray]:
        """PSNR, and how far features are from the truth's; means over seeds, [count].

        Features are those of a classifier of digits.
        """
        far = np.linalg.norm(pooled_of(made, self._extract) - self._known, axis=1)
        each = {"psnr": decibels(made, self.pictures), "features": far}
        return {n: v.reshape(self.seeds, -1).mean(0) for n, v in each.items()}


def measured(digits: Digits, name: str, sampler: str) -> dict[str, Any]:
    """A row for a mask: both measures, without and with the circuit."""
    problem = digits.problem(masks()[name])
    plain, led = (
        digits.judged(digits.restored(problem, sampler, steered))
        for steered in (False, True)
    )
    row: dict[str, Any] = {"sampler": sampler, "mask": name}
    row |= {"pictures": digits.count, "seeds": digits.seeds}
    for what in plain:
        more = led[what] - plain[what]
        row |= {what: round(float(plain[what].mean()), 3)}
        row |= {f"{what}_steered": round(float(led[what].mean()), 3)}
        row |= {f"{what}_more": round(float(more.mean()), 3)}
        row |= {f"{what}_interval": round(interval(more), 3)}
    return row


def timed(digits: Digits, sampler: str, turns: int = 15) -> dict[str, Any]:
    """Processor time with the circuit beside that without it, in short turns."""
    problem, steps = digits.problem(masks()[NAMES[0]]), SAMPLERS[sampler][1] // 5
    runs = [
        digits.prepared(problem, sampler, steered, steps) for steered in (False, True)
    ]
    spent = np.zeros([turns + 2, 2])
    for turn in spent:
        for i, run in enumerate(runs):
            began = time.process_time()
            run()
            turn[i] = time.process_time() - began
    kept = spent[2:]  # graphs are made in the first, memory in the second
    more = np.sort(100 * (kept[:, 1] / kept[:, 0] - 1))
    return {
        "sampler": sampler,
        "seconds": round(float(np.median(kept[:, 0])), 3),
        "turns": turns,
        "overhead": round(float(np.median(more)), 1),
        "overheads": [round(float(more[i]), 1) for i in _middle(turns)],
    }


def _middle(turns: int) -> tuple[int, int]:
    """Ranks between which the median lies in 95 % of all samples (binomial)."""
    low = int(binom.ppf(0.025, turns, 0.5)) - 1
    return low, turns - 1 - low


def sheet(digits: Digits, sampler: str) -> np.ndarray:
    """Truth; and of each mask what is seen, and both results."""
    rows = {"truth": digits.pictures}
    for name, hidden in masks().items():
        problem = digits.problem(hidden)
        seen = to_uint8(np.asarray(problem.operator.pinv(problem.y)))
        rows[f"{name}: seen"] = seen
        rows[f"{name}: without"] = digits.restored(problem, sampler, False)
        rows[f"{name}: with"] = digits.restored(problem, sampler, True)
    return named_rows(rows)


def finished(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Samplers of which all rows are there."""
    counts = Counter(row["sampler"] for row in rows)
    return [name for name in SAMPLERS if counts[name] == len(NAMES) + 1]


def text_of(rows: Sequence[dict[str, Any]]) -> str:
    """Tables and sheet of the page."""
    header = (
        *("hidden", "PSNR [dB]", "with the circuit", "more"),
        *("features", "with the circuit", "more"),
    )
    whole = [row for row in rows if "mask" in row]
    parts = [
        f"{whole[0]['pictures']} held-out digits, {whole[0]['seeds']} seeds, 100 "
        "evaluations of `pretrained:mnist` each; intervals of 95 % over digits, of the "
        "differences of the same digits and seeds. Features are those of a classifier: "
        "their distance to those of the true digit, the less the better."
    ]
    for sampler in finished(rows):
        resamplings, steps = SAMPLERS[sampler]
        own = [row for row in rows if row["sampler"] == sampler]
        parts.append(
            f"**{sampler.capitalize()}**, {steps} steps of DDIM, `--resamplings="
            f"{resamplings}`:"
        )
        parts.append(table(header, [_cells(row) for row in own if "mask" in row]))
        parts += [_cost(row) for row in own if "overhead" in row]
    said = f"The first digits, {finished(rows)[0]}, without and with the circuit:"
    return "\n\n".join([*parts, said, "![sheet](images/tiramisu.png)"])


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        row["mask"],
        f"{row['psnr']:.2f}",
        f"{row['psnr_steered']:.2f}",
        f"{row['psnr_more']:+.2f} ± {row['psnr_interval']:.2f}",
        f"{row['features']:.2f}",
        f"{row['features_steered']:.2f}",
        f"{row['features_more']:+.2f} ± {row['features_interval']:.2f}",
    )


def _cost(row: dict[str, Any]) -> str:
    low, high = row["overheads"]
    return (
        f"The circuit takes {row['overhead']:.1f} % more processor time (left half, "
        f"{row['turns']} turns, 95 % from {low:.1f} to {high:.1f} %)."
    )


def better(row: dict[str, Any]) -> bool:
    """Whether steering betters a measure of a mask by more than its interval."""
    sharper = row["psnr_more"] > row["psnr_interval"]
    return bool(sharper or -row["features_more"] > row["features_interval"])


def verdict(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the table of systems says of it, and whether the bar holds."""
    said, holds = list[str](), True
    for sampler in finished(rows):
        own = [r for r in rows if r["sampler"] == sampler and "mask" in r]
        gains = [row["psnr_more"] for row in own]
        sharper = sum(row["psnr_more"] > row["psnr_interval"] for row in own)
        nearer = sum(-row["features_more"] > row["features_interval"] for row in own)
        said.append(
            f"{sampler}: PSNR higher on {sharper} of {len(own)} masks "
            f"({min(gains):+.2f} to {max(gains):+.2f} dB), features nearer on {nearer}"
        )
        holds &= sum(map(better, own)) >= WANTED
    costs = [row["overhead"] for row in rows if "overhead" in row]  # one a sampler
    said.append(f"{' and '.join(f'{cost:.1f}' for cost in costs)} % more time")
    ends = [row["overheads"] for row in rows if "overhead" in row]
    decided: Verdict = holds and max(costs) <= LIMIT
    if decided and max(high for _, high in ends) > LIMIT:
        decided = "undecided"
    return {"figure": "; ".join(said), "holds": decided}


def main(argv: Sequence[str] | None = None) -> None:
    """Measures what is not on record, draws the sheet, writes the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("circuit", nargs="?", help="of digits; none: the page alone")
    parser.add_argument("--model", default="pretrained:mnist", help="of digits")
    parser.add_argument("--count", type=int, default=24, help="digits a mask")
    parser.add_argument("--seeds", type=int, default=3, help="of each digit")
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of pages")
    parser.add_argument("--only", choices=SAMPLERS, help="sampler to measure")
    parser.add_argument("--again", action="store_true", help="measure what is there")
    words = parser.parse_args(argv)
    record = words.docs / "tiramisu.json"
    rows = [] if words.again else read_record(record)
    there = {(row["sampler"], row.get("mask", TIME)) for row in rows}
    samplers = [words.only] if words.only else list(SAMPLERS)
    wanted = [(sampler, name) for sampler in samplers for name in (*NAMES, TIME)]
    if words.circuit:
        digits = Digits(words.model, words.circuit, words.count, words.seeds)
        for sampler, name in [pair for pair in wanted if pair not in there]:
            if name == TIME:
                rows.append(timed(digits, sampler))
            else:
                rows.append(measured(digits, name, sampler))
            print(rows[-1], flush=True)
            write_record(record, rows)  # a stopped measurement goes on with the next
        if not finished(rows):
            return
        shown = Digits(words.model, words.circuit, words.count, most=SHOWN)
        save_png(
            words.docs / "images" / "tiramisu.png", sheet(shown, finished(rows)[0])
        )
    write_page(words.docs / "tiramisu.md", "tiramisu", text_of(rows))
    record_system(
        37,
        record=words.docs / "systems.json",
        page=words.docs / "systems.md",
        command=COMMAND,
        not_reproduced=NOT_REPRODUCED,
        **verdict(rows),
    )


if __name__ == "__main__":
    main()
