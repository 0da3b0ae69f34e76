"""Table 1: speed of sampling and Fréchet distance for P = 2, 4 and 8."""

import time
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pdm_tf.analysis.figure2 import PATCHES
from pdm_tf.analysis.networks import Obtain, plan
from pdm_tf.analysis.pictures import read_pictures
from pdm_tf.analysis.results import Claim, Result, new_figure
from pdm_tf.config import AnalysisConfig
from pdm_tf.data.images import contact_sheet, to_uint8
from pdm_tf.denoisers import Denoiser, thresholded
from pdm_tf.evaluation.bootstrap import frechet_with_interval
from pdm_tf.evaluation.choosing_features import features_for
from pdm_tf.evaluation.features import open_features
from pdm_tf.evaluation.metrics import gaussian_of, seam_energy
from pdm_tf.profiling.parameters import count_parameters
from pdm_tf.progress import progress
from pdm_tf.samplers import DDPM, sample
from pdm_tf.storage.files import write_npz

COLUMNS = (
    "patch_size",
    "parameters",
    "images_per_second",
    "frechet_distance",
    "frechet_low",
    "frechet_high",
    "seam_energy",
    "seam_energy_of_data",
)
PUBLISHED = {2: (5.7, 1.7), 4: (7.5, 2.4), 8: (22.0, 4.4)}  # FID, images a second
SHOWN = 36  # pictures for each patch size


def make(config: AnalysisConfig, obtain: Obtain) -> list[Result]:
    """Trains the networks of Figure 2 and measures what they sample."""
    networks = [obtain(plan(config, p)) for p in PATCHES]
    real = read_pictures(config, "train")
    digits = config.dataset == "mnist"
    extractor = open_features(features_for(real.shape[1:]) if digits else "random")
    gaussian = gaussian_of(real, extractor)
    rows, sheets = [], {}
    for p, network in zip(PATCHES, networks, strict=True):
        pictures, seconds = sample_pictures(network, config, f"table1, P = {p}")
        write_npz(Path(config.out) / f"table1_p{p}.npz", {"arr_0": pictures}, True)
        distance = frechet_with_interval(
            pictures, gaussian, extractor, seed=config.seed
        )
        seams = seam_energy(pictures, p), seam_energy(real, p)
        parameters = count_parameters(network.variables)
        rows.append([p, parameters, len(pictures) / seconds, *distance, *seams])
        sheets[p] = contact_sheet(pictures[:SHOWN])
    return [Result("table1", COLUMNS, rows, draw(rows, sheets), claims(rows))]


def sample_pictures(
    denoise: Denoiser, config: AnalysisConfig, title: str
) -> tuple[np.ndarray, float]:
    """Pictures uint8 [N, H, W, C] by DDPM, and the seconds that sampling took."""
    clipped, sampler = thresholded(denoise), DDPM()
    grid = denoise.schedule.grid(config.steps)
    numbers = range(config.seed, config.seed + config.num_images)

    def some(rows: range, levels: Any = grid) -> np.ndarray:
        x = sample(clipped, sampler, levels, rows, denoise.image_shape)
        return to_uint8(x).numpy()

    some(numbers[:1], denoise.schedule.grid(2))  # the graph is made off the clock
    began, made = time.perf_counter(), []
    with progress(None, title, "pictures", len(numbers)) as bar:
        for first in range(0, len(numbers), config.batch_size):
            made.append(some(numbers[first : first + config.batch_size]))
            bar.update(len(made[-1]))
    return np.concatenate(made), time.perf_counter() - began


def draw(rows: list[list], sheets: dict[int, np.ndarray]) -> Figure:
    """What each network samples, with its numbers."""
    figure = new_figure(3.6 * len(rows), 4.1)
    for panel, row in zip(figure.subplots(1, len(rows)), rows, strict=True):
        values = dict(zip(COLUMNS, row, strict=True))
        panel.imshow(sheets[row[0]], cmap="gray", vmin=0, vmax=255)
        panel.set(xticks=[], yticks=[], frame_on=False)
        panel.set_title(
            f"P = {row[0]}: {values['images_per_second']:.3g} images/s, "
            f"FD {values['frechet_distance']:.4g}",
            fontsize=10,
        )
    return figure


def claims(rows: list[list]) -> list[Claim]:
    """What Table 1 says."""
    rates, distances = (
        {row[0]: row[COLUMNS.index(name)] for row in rows}
        for name in ("images_per_second", "frechet_distance")
    )
    speed = ", ".join(f"P = {p}: {rates[p] / rates[2]:.2f}" for p in PATCHES)
    theirs = ", ".join(f"P = {p}: {PUBLISHED[p][1] / 1.7:.2f}" for p in PATCHES)
    found = ", ".join(f"P = {p}: {distances[p]:.4g}" for p in PATCHES)
    fids = ", ".join(f"P = {p}: {PUBLISHED[p][0]}" for p in PATCHES)
    return [
        Claim(
            f"larger patches sample faster, relative to P = 2: {theirs}",
            speed,
            rates[2] < rates[4] < rates[8],
        ),
        Claim(
            f"P = 4 is nearly as good as P = 2, and P = 8 far worse; FID {fids}",
            f"Fréchet distance {found}",
            distances[4] < 2 * distances[2] and distances[8] > 2 * distances[4],
        ),
    ]
