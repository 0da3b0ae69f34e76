"""Figure 3: the first steps of networks that predict x, eps or v, patched or not."""

import numpy as np
from matplotlib.figure import Figure

from pdm_tf.analysis.curves import read_curve, tail_mean
from pdm_tf.analysis.networks import Obtain, plan
from pdm_tf.analysis.results import Claim, Result, new_figure
from pdm_tf.config import AnalysisConfig, Prediction

PATCHES = (1, 4)
PREDICTIONS: tuple[Prediction, ...] = ("x", "eps", "v")
COLUMNS = ("step", *(f"p{p}_{kind}" for p in PATCHES for kind in PREDICTIONS))
COLOURS = {"x": "tab:blue", "eps": "tab:red", "v": "tab:green"}


def make(config: AnalysisConfig, obtain: Obtain) -> list[Result]:
    """Trains six networks and compares the losses that their trainings recorded.

    All have the paper's loss, the error in x times sqrt(SNR), whatever they predict.
    """
    curves = []
    for p in PATCHES:
        for kind in PREDICTIONS:
            run = plan(config, p, kind, initial=True)
            obtain(run)
            curves.append(read_curve(run.training.run_dir))
    rows = tabulate(curves)
    return [Result("figure3", COLUMNS, rows, draw(rows), claims(rows))]


def tabulate(curves: list[dict[int, float]]) -> list[list]:
    """Rows of `COLUMNS`: the steps that all curves have."""
    steps = sorted(set.intersection(*(set(curve) for curve in curves)))
    return [[step, *(curve[step] for curve in curves)] for step in steps]


def draw(rows: list[list]) -> Figure:
    """One panel for each patch size."""
    figure = new_figure(9, 3.6)
    panels = figure.subplots(1, len(PATCHES), sharey=True)
    table = np.array(rows)
    for panel, p in zip(panels, PATCHES, strict=True):
        for kind in PREDICTIONS:
            losses = table[:, COLUMNS.index(f"p{p}_{kind}")]
            panel.plot(table[:, 0], losses, color=COLOURS[kind], label=kind, lw=1.2)
        panel.set(title=f"P = {p}", xlabel="step", yscale="log")
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("loss: sqrt(SNR) · (x - x_θ)²")
    panels[0].legend()
    return figure


def claims(rows: list[list]) -> list[Claim]:
    """What the paper says of Figure 3 (section 3.2)."""
    table = np.array(rows, np.float64)
    end = {name: tail_mean(table[:, i]) for i, name in enumerate(COLUMNS) if i}
    shown = ", ".join(f"{name} {loss:.4g}" for name, loss in end.items())
    ratio = end["p4_v"] / end["p4_x"]
    return [
        Claim(
            "with patches, x- and v-prediction end below eps-prediction",
            f"mean loss over the last fifth: {shown}; with P = 4 eps is "
            f"{end['p4_eps'] / end['p4_x']:.3g} times x and "
            f"{end['p4_eps'] / end['p4_v']:.3g} times v",
            max(end["p4_x"], end["p4_v"]) < end["p4_eps"],
        ),
        Claim(
            "with patches, v-prediction is about as good as x-prediction",
            f"with P = 4 v is {ratio:.3g} times x",
            0.8 < ratio < 1.25,
        ),
    ]
