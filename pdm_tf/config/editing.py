"""The command line of `python -m pdm_tf.editing TASK`."""

from dataclasses import dataclass
from typing import Literal

from pdm_tf.config.options import LAST_SEED, Spacing, option
from pdm_tf.config.sampling import COMPOSED, EDITS, GUIDANCE
from pdm_tf.config.trust import trusting

Fit = Literal["exact", "crop", "pad", "resize"]


@dataclass(frozen=True)
class EditingConfig:
    """What every task takes."""

    model: str = option(
        "",
        "The model that edits: the directory of a run, of a split or of a derived "
        "model, a SavedModel or a .tflite file, or pretrained:NAME.",
        aliases=("run_dir",),
    )
    trust_model: bool = trusting()
    image: str = option(
        "",
        "Picture to edit, of the model's size; for super_resolve of that size divided "
        "by a whole number. Others need --fit.",
    )
    fit: Fit = option(
        "exact",
        "What becomes of a picture of another size: exact refuses it, crop scales it "
        "and cuts out its middle, pad scales it and surrounds it with white (a mask "
        "with black), resize stretches it.",
    )
    out: str = option(
        "edited", "Directory for the pictures and sheet.png, input and results."
    )
    count: int = option(8, "Results; picture k has seed + k.", low=1)
    seed: int = option(0, "Seed of the first result.", low=0, high=LAST_SEED)
    labels: tuple[str, ...] = option(
        (),
        "Classes by name or number, repeated over the results; empty: unconditional.",
    )
    steps: str = option(
        str(EDITS.steps), "Steps of the sampler, as for grids of samples."
    )
    spacing: Spacing = option("uniform", "How the steps are spaced.")


@dataclass(frozen=True)
class _Sampled:
    """A task that samples: it takes any sampler, and guidance."""

    guidance: float = option(
        GUIDANCE,
        "Guidance weight w where labels are given; 1 is none.",
        low=-100,
        high=100,
    )
    sampler: str = option(
        EDITS.sampler, "Sampler, by name; docs/samplers.md compares them."
    )


@dataclass(frozen=True)
class InpaintConfig(_Sampled):
    """Paints where a mask says, and keeps every other pixel exactly."""

    mask: str = option("", "Picture that is white where to paint, black where to keep.")
    resamplings: int = option(
        1,
        "Times that each stretch is sampled (RePaint, whose authors take 10); 1 goes "
        "straight on.",
    )
    jump: int = option(10, "Steps in a stretch.")


@dataclass(frozen=True)
class ComposeConfig:
    """Paints around a seed whose look is kept: cyclic one-way diffusion (COW)."""

    mask: str = option("", "Picture that is white where to paint, black at the seed.")
    guidance: float = option(
        COMPOSED,
        "Guidance weight w where labels are given; 1 is none.",
        low=-100,
        high=100,
    )
    cycles: int = option(
        10, "Times that noise is added and taken away again.", low=0, high=1000
    )
    noisiest: float = option(
        0.7, "Share of the levels up to which noise is added.", low=0, high=1
    )
    turn: float = option(
        0.5, "Share of the levels from which noise is added again.", low=0, high=1
    )
    last: float = option(
        0.15,
        "Share of the levels at which the seed is put in place for the last time; the "
        "paper's 0.4 blends it more, and keeps less of it.",
        low=0,
        high=1,
    )


@dataclass(frozen=True)
class SDEditConfig(_Sampled):
    """Turns strokes into pictures, or a picture into others, by noise."""

    strength: float = option(
        0.5, "From 0, the input, to 1, a picture drawn freely.", low=0, high=1
    )


@dataclass(frozen=True)
class AnomalyConfig(_Sampled):
    """Shows where a picture differs from what comes back of it after noise."""

    strength: float = option(
        0.25, "Share of the levels that are passed, from 0 to 1.", low=0, high=1
    )
    draws: int = option(4, "Draws whose mean is what comes back.", low=1)


@dataclass(frozen=True)
class SuperResolveConfig(_Sampled):
    """Draws pictures whose means over squares of pixels are a small picture."""


@dataclass(frozen=True)
class InterpolateConfig:
    """Pictures between two, through their noise, by DDIM without guidance."""

    second_image: str = option("", "Picture at the other end.")


@dataclass(frozen=True)
class VariationsConfig:
    """Pictures near one: its noise turned towards other noise, by DDIM."""

    strength: float = option(
        0.5, "From 0, the input, to 1, a picture drawn freely.", low=0, high=1
    )


@dataclass(frozen=True)
class CycleConfig:
    """Translates a picture to another class or model: noise of one, drawn by another.

    --labels are what it becomes.
    """

    source_label: str = option(
        "", "Class of the picture, by name or number; empty: unconditional."
    )
    target_model: str = option(
        "", "Model that draws the result, of the same shape; empty: --model."
    )
    guidance: float = option(
        GUIDANCE,
        "Guidance weight w of the results where labels are given; 1 is none.",
        low=-100,
        high=100,
    )
    eta: float = option(0.1, "Share of fresh noise in a step.", low=0, high=1)
    strength: float = option(
        0.85, "Share of the levels passed, from 0, the input, to 1.", low=0, high=1
    )
    energy: str = option(
        "",
        "Model of pdm_tf.guidance classifier: its classifier of the estimates leads to "
        "--labels, and the model itself is conditioned on none; empty: --labels "
        "condition the model.",
    )
    energy_strength: float = option(
        16.0, "Strength of the energy's slope; 0: none.", low=0, high=1e6
    )
    refine: float = option(
        0.0,
        "Share of the levels to which results are noised, to be drawn again with eta "
        "1; 0: none.",
        low=0,
        high=1,
    )


@dataclass(frozen=True)
class DirectionsConfig:
    """Moves a picture along the directions that change it most inside a mask.

    One row of the sheet a direction, from -strength to strength.
    """

    mask: str = option(
        "", "Picture that is white where it may change; empty: everywhere."
    )
    timestep: int = option(
        500, "How noisy the picture is where it is moved, a timestep.", low=1
    )
    directions: int = option(4, "Directions, the strongest first.", low=1, high=256)
    strength: float = option(
        6.0, "How far the noisy picture is moved, at most.", low=0, high=1000
    )
    outside: int = option(
        128,
        "Leading directions of what lies outside the mask along which nothing is "
        "moved; 0: none.",
        low=0,
        high=1024,
    )
