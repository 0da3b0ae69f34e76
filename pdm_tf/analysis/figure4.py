"""Figure 4: what eps- and x-prediction estimate at a high t, beside the true x*."""

from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from pdm_tf.analysis.distortion import distortion, squared_errors
from pdm_tf.analysis.frequencies import Energy
from pdm_tf.analysis.networks import Obtain, plan
from pdm_tf.analysis.pictures import (
    Estimating,
    noisy_pictures,
    optimal_denoiser,
    read_pictures,
)
from pdm_tf.analysis.results import Claim, Result, new_figure, show_picture
from pdm_tf.config import AnalysisConfig, Prediction, Weighting
from pdm_tf.data.images import to_float

SHOWN = 6  # pictures
LARGER = 3  # times, at least: what counts as a large error


class Kind(NamedTuple):
    """One way to predict."""

    patch_size: int
    prediction: Prediction
    weighting: Weighting

    def __str__(self) -> str:
        return f"{self.prediction}, P = {self.patch_size}"


KINDS = (
    Kind(1, "eps", "snr"),  # ADM: no patches, the plain error of eps
    Kind(4, "eps", "snr"),
    Kind(4, "x", "sqrt_snr"),  # the paper's
)
COLUMNS = ("patch_size", "prediction", "weighting", "rmse", "relative", "energy_beyond")


def make(config: AnalysisConfig, obtain: Obtain) -> list[Result]:
    """Trains the networks and compares their estimates with x*."""
    pictures = read_pictures(config, "test", config.judged)
    learnt = read_pictures(config, "train", config.pictures)
    networks = [obtain(plan(config, *kind)) for kind in KINDS]
    optimal = optimal_denoiser(learnt, networks[0].schedule)
    best, *denoised = (
        Estimating(denoise, pictures, config.batch_size).at(config.t)
        for denoise in (optimal, *networks)
    )
    z = noisy_pictures(pictures[:SHOWN], config.t, networks[0].schedule).numpy()
    rows = tabulate(best, denoised)
    shown = {"x": to_float(pictures[:SHOWN]), "z": z}
    shown |= {
        f"{kind}\nRMSE {row[3]:.3g}": denoised[:SHOWN]
        for kind, denoised, row in zip(KINDS, denoised, rows, strict=True)
    }
    figure = draw({**shown, "x*": best[:SHOWN]}, config.t)
    return [Result("figure4", COLUMNS, rows, figure, claims(rows, config.t))]


def tabulate(best: np.ndarray, denoised: list[np.ndarray]) -> list[list]:
    """Rows of `COLUMNS`, from x* and the estimates of `KINDS`, [N, H, W, C] each.

    `relative` is the error over that of the last kind; `energy_beyond` the energy of
    the estimate at frequencies finer than patches of 4, where x* has next to none.
    """
    errors = [distortion(squared_errors(best, x)) for x in denoised]
    return [
        [*kind, error, error / errors[-1], Energy.of(x, 4).high]
        for kind, error, x in zip(KINDS, errors, denoised, strict=True)
    ]


def draw(shown: dict[str, np.ndarray], t: int) -> Figure:
    """A row of pictures for each title; what is beyond [-1, 1] is clipped."""
    figure = new_figure(1.1 * SHOWN + 1.3, 1.1 * len(shown))
    panels = figure.subplots(len(shown), SHOWN, squeeze=False)
    figure.suptitle(f"t = {t}")
    for row, (title, pictures) in zip(panels, shown.items(), strict=True):
        for panel, picture in zip(row, pictures, strict=False):
            show_picture(panel, picture)
        for panel in row[len(pictures) :]:
            panel.set_axis_off()
        row[0].set_ylabel(title, rotation=0, ha="right", va="center")
    return figure


def claims(rows: list[list], t: int) -> list[Claim]:
    """What the paper says of Figure 4, in a number: 3 times the error at least."""
    relative = [row[COLUMNS.index("relative")] for row in rows]
    errors = [row[COLUMNS.index("rmse")] for row in rows]
    return [
        Claim(
            f"at t = {t} small errors of eps become large errors of x: at least "
            f"{LARGER} times those of x-prediction",
            f"{kind}: distance to x* {error:.4g}, {times:.3g} times the "
            f"{errors[-1]:.4g} of {KINDS[-1]}",
            times >= LARGER,
        )
        for kind, error, times in list(zip(KINDS, errors, relative, strict=True))[:-1]
    ]
