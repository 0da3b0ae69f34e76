"""Where to split a model: the boundaries between parts of equal burden (2606.06477)."""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from pdm_tf.analysis.results import new_figure, save_figure
from pdm_tf.assemble.models import open_model
from pdm_tf.config import SplitConfig
from pdm_tf.errors import MissingSetting
from pdm_tf.progress import say
from pdm_tf.samplers.burden import Burden, equal_parts, measure_burden, snr_at
from pdm_tf.storage.files import write_json
from pdm_tf.storage.places import open_place

PAPER_SNR = 0.25  # where the paper splits (section 4.1)


def suggest(config: SplitConfig) -> str:
    """Measures a model; writes burden.json and burden.png where `out` says.

    Returns:
      The boundaries, and the settings that train the parts.

    Raises:
      InputError: no such model, or a place where nothing can be written.
    """
    if not config.model:
        raise MissingSetting("model", "name the model whose trajectories are measured")
    place = open_place("out", config.out) if config.out else None
    denoise = open_model(config.model).denoiser
    if denoise.num_classes:
        denoise = denoise.conditioned(tf.range(config.pictures) % denoise.num_classes)
    say(f"measuring {config.pictures} trajectories …")
    burden = measure_burden(denoise, range(config.pictures), config.measure_steps)
    found = boundaries(burden, config.count, denoise.schedule.noise_scale)
    if place:
        _write(place, config, burden, found)
    return "\n".join(_said(found))


def boundaries(
    burden: Burden, parts: int, noise_scale: float = 1.0
) -> dict[str, list[float]]:
    """SNR between parts of equal burden, falling, by each measure."""
    return {
        name: snr_at(equal_parts(curve, parts), noise_scale)[::-1].tolist()
        for name, curve in burden._asdict().items()
    }


def _said(found: dict[str, list[float]]) -> list[str]:
    lines = [
        f"{name}: parts of equal burden meet at SNR "
        + ", ".join(f"{snr:.4g}" for snr in at)
        for name, at in found.items()
    ]
    at = found["acceleration"]
    ends = [None, *at], [*at, None]
    for high, low in zip(*ends, strict=True):
        bounds = [f"snr_low={low:.4g}" if low else ""]
        bounds += [f"snr_high={high:.4g}" if high else ""]
        lines.append("train one part with " + ", ".join(filter(None, bounds)))
    return lines


def _write(
    place: Path, config: SplitConfig, burden: Burden, found: dict[str, list[float]]
) -> None:
    curves: dict[str, Any] = {
        name: {key: values.tolist() for key, values in curve._asdict().items()}
        for name, curve in burden._asdict().items()
    }
    write_json(
        place / "burden.json",
        {"model": config.model, "snr": found, "paper": "2606.06477", **curves},
    )
    save_figure(place / "burden.png", _drawn(burden, found))


def _drawn(burden: Burden, found: dict[str, list[float]]) -> Figure:
    """Both densities, each divided by its mean, over t, and where parts meet."""
    figure = new_figure(6.0, 3.2)
    axes = figure.add_subplot()
    for name, curve in burden._asdict().items():
        (line,) = axes.plot(curve.t, curve.density / curve.density.mean(), label=name)
        for snr in found[name]:
            axes.axvline(_time(snr), color=line.get_color(), ls="--", lw=1)
    axes.axvline(_time(PAPER_SNR), color="grey", ls=":", label=f"SNR {PAPER_SNR}")
    axes.set(xlabel="t (0 noise, 1 picture)", ylabel="burden / its mean", yscale="log")
    axes.legend()
    return figure


def _time(snr: float) -> float:
    return float(np.sqrt(snr) / (1.0 + np.sqrt(snr)))
