"""The terms of a bound over t: a table and a picture."""

import csv
import io
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pdm_tf.data.images import save_png
from pdm_tf.diffusion import NoiseSchedule
from pdm_tf.evaluation.likelihood.bound import Bound
from pdm_tf.storage.files import write_text

COLUMNS = ("term", "t", "last_t", "snr", "bits_per_dim", "standard_error")


def tabulate(bound: Bound, schedule: NoiseSchedule) -> list[tuple]:
    """Rows of `COLUMNS`: decoder, steps and prior; their bits add up to the bound.

    A step that stands for timesteps t … last_t gives the sum of their terms, estimated
    where last_t is not t. The prior's t is T - 1, its noisiest level.
    """
    snr = np.exp(schedule.log_snr)
    rows: list[tuple] = []
    for s, (bits, error) in enumerate(zip(bound.terms, bound.errors, strict=True)):
        first, last = int(bound.edges[s]), int(bound.edges[s + 1]) - 1
        rows.append(("step" if s else "decoder", first, last, snr[first], bits, error))
    last = schedule.timesteps - 1
    prior = bound.prior.mean(), bound.prior.std(ddof=1) / np.sqrt(len(bound.prior))
    return [*rows, ("prior", last, last, snr[last], *prior)]


def write_curve(path: Path, bound: Bound, schedule: NoiseSchedule) -> None:
    """Writes the rows of `tabulate` as CSV, whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for term, t, last_t, *numbers in tabulate(bound, schedule):
        writer.writerow([term, t, last_t, *(f"{number:.9g}" for number in numbers)])
    write_text(path, text.getvalue())


def draw_curve(path: Path, bound: Bound) -> None:
    """Draws each term over t, and what has added up from t = T - 1 down, as PNG."""
    lengths = np.diff(bound.edges)
    t = bound.edges[:-1] + (lengths - 1) / 2 + 1  # from 1, for the logarithm
    term, band = bound.terms / lengths, 1.96 * bound.errors / lengths
    figure = Figure(figsize=(10, 4), dpi=110, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    floor = max(float(term[term > 0].min(initial=1.0)) / 3, 1e-12)
    left.plot(t, np.maximum(term, floor), color="tab:blue", lw=1.2)
    low, high = np.maximum(term - band, floor), np.maximum(term + band, floor)
    left.fill_between(t, low, high, color="tab:blue", alpha=0.25, lw=0)
    left.set(yscale="log", ylabel="bits / dim", title="one term, 95 % interval")
    sums = np.cumsum(bound.terms[::-1])[::-1] + bound.prior.mean()
    right.step(t, sums, where="mid", color="tab:orange", lw=1.2)
    right.set(ylabel="bits / dim", title=f"prior and terms down to t: {sums[0]:.3f}")
    right.set_ylim(bottom=0)
    for axes in (left, right):
        axes.set(xscale="log", xlabel="t + 1 (1 is the decoder)")
        axes.grid(alpha=0.3)
    canvas.draw()
    save_png(path, np.asarray(canvas.buffer_rgba())[..., :3].copy())
