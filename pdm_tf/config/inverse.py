"""The command line of `python -m pdm_tf.inverse METHOD`."""

from dataclasses import dataclass

from pdm_tf.config.editing import Fit
from pdm_tf.config.options import LAST_SEED, option


@dataclass(frozen=True)
class ProblemConfig:
    """What was measured, and of what."""

    operator: str = option(
        "",
        "What measures: inpaint:MASK.png (white is hidden), box:0.5, random_mask:0.5, "
        "downsample:4 or downsample:4,bicubic, blur:gaussian,1.5 or "
        "blur:motion,LENGTH,ANGLE, grayscale, compressed:0.1, fourier_rows:0.25, "
        "jpeg:30, hdr:2, phase; several, from the picture on, joined by +.",
    )
    operator_seed: int = option(
        0,
        "Seed of what the operator draws, and of the noise in measurements.",
        low=0,
        high=LAST_SEED,
    )
    sigma: float = option(
        0.0,
        "Standard deviation of the noise in a measurement, where pixels are from -1 to "
        "1.",
        low=0,
        high=100,
    )
    image: str = option("", "Picture that is measured here; it counts as the truth.")
    fit: Fit = option(
        "exact",
        "What becomes of a picture of another size: exact refuses it, crop scales it "
        "and cuts out its middle, pad scales it and surrounds it with white, resize "
        "stretches it.",
    )
    out: str = option("", "Directory for what is made, which is made.")


@dataclass(frozen=True)
class SimulateConfig:
    """Measures a picture: numbers to solve, and a picture of what they tell."""

    image_shape: tuple[int, ...] = option(
        (), "Height, width, channels to bring the picture to; empty: its own."
    )
