"""Figure 1a: x* gets blurred as t grows, and how much so, as a number."""

from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from pdm_tf.analysis.frequencies import Energy
from pdm_tf.analysis.networks import Obtain, plan
from pdm_tf.analysis.pictures import (
    Estimating,
    noisy_pictures,
    optimal_denoiser,
    read_pictures,
)
from pdm_tf.analysis.results import Claim, Result, new_figure, show_picture
from pdm_tf.config import AnalysisConfig
from pdm_tf.data.images import to_float
from pdm_tf.diffusion import NoiseSchedule
from pdm_tf.progress import progress

TIMES = (0, 50, 100, 150, 200, 300, 400, 450, 500, 550, 600, 700, 800, 900, 999)
SHOWN = (0, 100, 200, 300, 400, 500, 600, 700, 900)
PICTURES = 4  # rows of pictures
PATCHES = (2, 4, 8)
MIDDLE = 4  # the patch size at which what is kept is cut in two
COLUMNS = (
    "t",
    "snr",
    *(f"optimal_share_p{p}" for p in PATCHES),
    "optimal_kept_low",
    "optimal_kept_high",
    *(f"network_share_p{p}" for p in PATCHES),
    "network_kept_low",
    "network_kept_high",
)


class Estimated(NamedTuple):
    """Pictures and the estimates about them at each of `TIMES`."""

    pictures: np.ndarray  # uint8 [N, H, W, C]
    denoised: dict[int, np.ndarray]  # t -> [N, H, W, C]


def make(config: AnalysisConfig, obtain: Obtain) -> Result:
    """x* over the data set, exactly, and what a network makes of held-out pictures.

    x* of a finite data set stays one of its pictures as long as the noise leaves no
    doubt which; a network that has learnt to see a picture in general has doubts
    earlier, as x* of all possible pictures would.
    """
    network = obtain(plan(config, PATCHES[0]))
    learnt = read_pictures(config, "train", config.pictures)
    held_out = read_pictures(config, "test", config.judged)
    optimal = optimal_denoiser(learnt, network.schedule)
    some = learnt[np.linspace(0, len(learnt) - 1, config.judged).astype(int)]
    sets = []
    for denoise, pictures in ((optimal, some), (network, held_out)):
        estimates = Estimating(denoise, pictures, config.batch_size)
        times = progress(TIMES, "figure1a", "timesteps")
        sets.append(Estimated(pictures, {t: estimates.at(t) for t in times}))
    rows = tabulate(sets, network.schedule)
    figure = draw(rows, sets, network.schedule)
    return Result("figure1a", COLUMNS, rows, figure, claims(rows))


def tabulate(sets: list[Estimated], schedule: NoiseSchedule) -> list[list]:
    """Rows of `COLUMNS`.

    A share is that of the energy at frequencies which a grid of patches of P does not
    resolve; what is kept is the energy of the estimates over that of the pictures,
    below and above the limit of P = 4, both without their mean picture, which says
    nothing of z.
    """
    rows = []
    for t in TIMES:
        row: list = [t, float(np.exp(schedule.log_snr[t]))]
        for one in sets:
            denoised, x = one.denoised[t], to_float(one.pictures)
            row += [Energy.of(denoised, p).share for p in PATCHES]
            moved = Energy.of(denoised - denoised.mean(axis=0), MIDDLE)
            there = Energy.of(x - x.mean(axis=0), MIDDLE)
            row += [moved.low / there.low, moved.high / there.high]
        rows.append(row)
    return rows


def draw(rows: list[list], sets: list[Estimated], schedule: NoiseSchedule) -> Figure:
    """Pictures on top, the shares of the table below."""
    figure = new_figure(10, 9.2)
    cells = figure.add_gridspec(2, 1, height_ratios=(2, 1))
    above, below = (figure.add_subfigure(cells[i]) for i in (0, 1))
    panels = above.subplots(2 + 2 * (PICTURES - 1), len(SHOWN))
    titles = ["z", "x*", "x*", "x*", "z", "x_θ", "x_θ", "x_θ"]
    for i, (row, title) in enumerate(zip(panels, titles, strict=True)):
        one, k = sets[i // PICTURES], max(0, i % PICTURES - 1)
        for panel, t in zip(row, SHOWN, strict=True):
            first = one.pictures[k : k + 1]
            z = noisy_pictures(first, t, schedule, k).numpy() if title == "z" else None
            picture = one.denoised[t][k] if z is None else z[0]
            show_picture(panel, picture)
            if not i:
                panel.set_title(f"t = {t}", fontsize=9)
        row[0].set_ylabel(title, rotation=0, ha="right", va="center")
    table, axes = np.array(rows), below.subplots(1, 2)
    for p, colour in zip(PATCHES, ("tab:blue", "tab:orange", "tab:green"), strict=True):
        for name, style in (("optimal", "-"), ("network", ":")):
            share = table[:, COLUMNS.index(f"{name}_share_p{p}")]
            label = f"{'x*' if style == '-' else 'x_θ'}, P = {p}"
            axes[0].plot(table[:, 0], share, style, color=colour, label=label)
    for part, colour in (("low", "tab:gray"), ("high", "tab:red")):
        for name, style in (("optimal", "-"), ("network", ":")):
            kept = table[:, COLUMNS.index(f"{name}_kept_{part}")]
            label = f"{'x*' if style == '-' else 'x_θ'}, {part}"
            axes[1].plot(table[:, 0], kept, style, color=colour, label=label)
    axes[0].set(ylabel="share of energy beyond the grid of P", yscale="log")
    axes[1].set(ylabel=f"energy kept, low and high for P = {MIDDLE}")
    for panel in axes:
        panel.set(xlabel="t")
        panel.legend(fontsize=7)
        panel.grid(alpha=0.3)
    return figure


def claims(rows: list[list]) -> list[Claim]:
    """What the paper says of Figure 1a (section 2.2)."""
    made, table = [], np.array(rows)
    for name, title in (("optimal", "x*"), ("network", "x_θ on held-out pictures")):
        share = table[:, COLUMNS.index(f"{name}_share_p{MIDDLE}")]
        halves = [
            half_life(table[:, 0], table[:, COLUMNS.index(f"{name}_kept_{part}")])
            for part in ("high", "low")
        ]
        made.append(
            Claim(
                "x* is blurred more and more as t grows",
                f"{title}: of its energy {share[0]:.3%} is finer than patches of "
                f"{MIDDLE} at t = 0, {share[len(share) // 2]:.3%} at t = "
                f"{TIMES[len(share) // 2]}, {share[-1]:.3%} at t = {TIMES[-1]}",
                share[0] > share[len(share) // 2] > share[-1],
            )
        )
        made.append(
            Claim(
                "high frequencies are attenuated early in the forward process: half of "
                "them before its middle, and before the low ones",
                f"{title}: half of what is finer than patches of {MIDDLE} is gone at "
                f"t = {halves[0]:.0f}, half of the rest at t = {halves[1]:.0f}",
                halves[0] < halves[1] and halves[0] < TIMES[-1] / 2,
            )
        )
    return made


def half_life(t: np.ndarray, kept: np.ndarray) -> float:
    """Where what is kept first falls below a half; the last t if nowhere."""
    below = np.flatnonzero(kept < 0.5)
    if not below.size or not below[0]:
        return float(t[below[0]]) if below.size else float(t[-1])
    i = below[0]
    return float(np.interp(0.5, kept[[i, i - 1]], t[[i, i - 1]]))
