"""Figure 2: distortion of P = 4 and P = 8 relative to P = 2, over t."""

from collections.abc import Iterable

import numpy as np
from matplotlib.figure import Figure

from pdm_tf.analysis.distortion import distortion, ratio_interval, squared_errors
from pdm_tf.analysis.networks import Obtain, plan
from pdm_tf.analysis.pictures import Estimating, read_pictures
from pdm_tf.analysis.results import Claim, Result, new_figure
from pdm_tf.config import AnalysisConfig
from pdm_tf.data.images import to_float
from pdm_tf.denoisers import Denoiser
from pdm_tf.progress import progress

PATCHES = (2, 4, 8)
TIMES = (0, 1, 2, 5, 10, 20, 50, *range(100, 1000, 100), 999)
NEAR = 1.05  # the largest ratio that counts as near 1
COLUMNS = (
    "t",
    "snr",
    *(f"rmse_p{p}" for p in PATCHES),
    *(f"ratio_p{p}{end}" for p in PATCHES[1:] for end in ("", "_low", "_high")),
)


def make(config: AnalysisConfig, obtain: Obtain) -> list[Result]:
    """Trains the three networks and compares them on held-out pictures."""
    pictures = read_pictures(config, "test", config.judged)
    networks = [obtain(plan(config, p)) for p in PATCHES]
    rows = tabulate(networks, pictures, config.batch_size, config.seed)
    return [Result("figure2", COLUMNS, rows, draw(rows), claims(rows))]


def tabulate(
    networks: Iterable[Denoiser],
    pictures: np.ndarray,
    batch_size: int,
    seed: int = 0,
) -> list[list]:
    """Rows of `COLUMNS`, for networks in the order of `PATCHES`."""
    estimates = [Estimating(network, pictures, batch_size) for network in networks]
    schedule = next(iter(networks)).schedule
    x, rows = to_float(pictures), []
    for t in progress(TIMES, "figure2", "timesteps"):
        errors = [squared_errors(x, one.at(t)) for one in estimates]
        ratios = [ratio_interval(e, errors[0], seed) for e in errors[1:]]
        snr = float(np.exp(schedule.log_snr[t]))
        rows.append([t, snr, *map(distortion, errors), *np.concatenate(ratios)])
    return rows


def draw(rows: list[list]) -> Figure:
    """Ratios over t, with their intervals."""
    figure = new_figure(9, 3.6)
    axes = figure.subplots(1, 2, width_ratios=(2, 1))
    t = np.array([row[0] for row in rows])
    for patch, colour in zip(PATCHES[1:], ("tab:orange", "tab:green"), strict=True):
        first = COLUMNS.index(f"ratio_p{patch}")
        ratio, low, high = np.array([row[first : first + 3] for row in rows]).T
        for panel, at in zip(axes, (t, t + 1), strict=True):
            panel.plot(at, ratio, ".-", color=colour, label=f"P = {patch}", lw=1.2)
            panel.fill_between(at, low, high, color=colour, alpha=0.2, lw=0)
    for panel in axes:
        panel.axhline(1, color="tab:blue", lw=1, ls="--", label="P = 2")
        panel.grid(alpha=0.3)
    axes[0].set(xlabel="t", ylabel="distortion relative to P = 2")
    axes[1].set(xlabel="t + 1", xscale="log")
    axes[0].legend()
    return figure


def claims(rows: list[list]) -> list[Claim]:
    """What the paper says of Figure 2 (section 3.1)."""
    made, t = [], [row[0] for row in rows]
    for patch in PATCHES[1:]:
        ratio = [row[COLUMNS.index(f"ratio_p{patch}")] for row in rows]
        at_each = np.interp(np.arange(t[-1] + 1), t, ratio)
        share = float((at_each <= NEAR).mean())
        made.append(
            Claim(
                "for the majority of timesteps a distortion similar to that of P = 2 "
                "or lower",
                f"P = {patch}: ratio up to {NEAR} at {share:.0%} of all t, "
                f"{min(ratio):.3f} at best",
                share > 0.5,
            )
        )
        made.append(
            Claim(
                "noticeably higher where t is low",
                f"P = {patch}: ratio {ratio[0]:.3f} at t = 0, {ratio[4]:.3f} at t = "
                f"{t[4]}",
                min(ratio[0], ratio[4]) > NEAR,
            )
        )
    return made
