"""Figure 1b: what may lie behind a noisy picture agrees in the coarse alone."""

import numpy as np
from matplotlib.figure import Figure

from pdm_tf.analysis.frequencies import Energy
from pdm_tf.analysis.pictures import noisy_pictures, read_pictures
from pdm_tf.analysis.reconstructions import effective_count, posterior, reconstruct
from pdm_tf.analysis.results import Claim, Result, new_figure, show_picture
from pdm_tf.config import AnalysisConfig, DiffusionConfig
from pdm_tf.data.images import to_float
from pdm_tf.diffusion import NoiseSchedule
from pdm_tf.progress import progress

TIMES = (300, 400, 450, 500, 550, 600, 700, 800)
SHOWN = 6  # reconstructions in a row of the picture
DRAWS = 64  # reconstructions behind each number
CUT = 4  # patch size at whose limit frequencies are low or high
COLUMNS = ("t", "snr", "possible_pictures", "undecided_low", "undecided_high")


def make(config: AnalysisConfig) -> Result:
    """Reconstructions of pictures of the data set, by the exact q(x | z_t)."""
    schedule = NoiseSchedule.linear(DiffusionConfig.timesteps, DiffusionConfig.beta_end)
    learnt = read_pictures(config, "train", config.pictures)
    chosen = learnt[np.linspace(0, len(learnt) - 1, config.judged).astype(int)]
    rows, shown = [], []
    for t in progress(TIMES, "figure1b", "timesteps"):
        z = noisy_pictures(chosen, t, schedule).numpy()
        weights = posterior(learnt, z, t, schedule)
        rows.append(tabulate(learnt, weights, t, schedule, config.seed))
        first = reconstruct(learnt, weights[:1], SHOWN, config.seed)[0]
        mean = np.tensordot(weights[0], to_float(learnt), 1)
        shown.append([z[0], *to_float(first), mean])
    figure = draw(rows, to_float(chosen[0]), shown)
    return Result("figure1b", COLUMNS, rows, figure, claims(rows))


def tabulate(
    pictures: np.ndarray,
    weights: np.ndarray,
    t: int,
    schedule: NoiseSchedule,
    seed: int,
) -> list:
    """A row of `COLUMNS`: how many pictures are possible, and in what they differ.

    Undecided is the variance of reconstructions of one z over that of the data set, at
    frequencies that patches of 4 resolve (low), and beyond (high).
    """
    data = to_float(pictures)
    whole = Energy.of(data - data.mean(axis=0), CUT)
    spread = np.zeros(2)
    for k, row in enumerate(weights):
        x = to_float(reconstruct(pictures, row[None], DRAWS, seed + k)[0])
        around = Energy.of(x - x.mean(axis=0), CUT)
        spread += np.array(around) * DRAWS / (DRAWS - 1)
    low, high = spread / len(weights) / np.array(whole)
    count = float(effective_count(weights).mean())
    return [t, float(np.exp(schedule.log_snr[t])), count, float(low), float(high)]


def draw(rows: list[list], x: np.ndarray, shown: list[list[np.ndarray]]) -> Figure:
    """A row of pictures for each t, and what is undecided beside them."""
    figure = new_figure(12.5, 0.9 * len(shown) + 0.5)
    cells = figure.add_gridspec(1, 2, width_ratios=(2, 1))
    left, right = (figure.add_subfigure(cells[i]) for i in (0, 1))
    panels = left.subplots(len(shown), len(shown[0]) + 1)
    titles = ["x", "z", "possible x", *[""] * (SHOWN - 1), "x*"]
    for i, (line, pictures, row) in enumerate(zip(panels, shown, rows, strict=True)):
        for j, (panel, picture) in enumerate(zip(line, [x, *pictures], strict=True)):
            show_picture(panel, picture)
            if not i:
                panel.set_title(titles[j], fontsize=9)
        line[0].set_ylabel(f"t = {row[0]}", rotation=0, ha="right", va="center")
    table, axes = np.array(rows), right.subplots(1, 1)
    for part, colour in (("low", "tab:gray"), ("high", "tab:red")):
        undecided = table[:, COLUMNS.index(f"undecided_{part}")]
        axes.plot(table[:, 0], undecided, ".-", color=colour, label=f"{part} frequency")
    axes.set(xlabel="t", ylabel="undecided share of the variance", ylim=(0, None))
    axes.legend()
    axes.grid(alpha=0.3)
    return figure


def claims(rows: list[list]) -> list[Claim]:
    """What the paper says of Figure 1b (section 2.2)."""
    doubtful = [row for row in rows if row[2] > 1.5] or rows[-1:]
    first = doubtful[0]
    return [
        Claim(
            "likely x agree in their low frequencies and differ in the high ones",
            f"where z first leaves a choice, t = {first[0]} with {first[2]:.3g} "
            f"possible pictures, {first[3]:.1%} of the variance is undecided at low "
            f"frequencies and {first[4]:.1%} at high ones",
            all(row[4] > row[3] for row in doubtful),
        )
    ]
