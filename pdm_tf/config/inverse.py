"""The command line of `python -m pdm_tf.inverse METHOD`."""

from dataclasses import dataclass
from typing import Literal

from pdm_tf.config.editing import Fit
from pdm_tf.config.options import LAST_SEED, Spacing, option
from pdm_tf.config.sampling import EDITS, GUIDANCE
from pdm_tf.config.trust import trusting

RedDiffWeighting = Literal[
    "linear", "sqrt", "square", "log", "clipped", "power", "constant"
]


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


@dataclass(frozen=True)
class SolveConfig:
    """What every solver takes."""

    model: str = option(
        "",
        "The model that restores: the directory of a run, of a split or of a derived "
        "model, a SavedModel or a .tflite file, or pretrained:NAME.",
    )
    trust_model: bool = trusting()
    measurement: str = option(
        "",
        "File that simulate wrote, or an array of NumPy; instead of --image. Where it "
        "says what measured it, --operator may be left out.",
    )
    count: int = option(4, "Results; picture k has seed + k.", low=1)
    seed: int = option(0, "Seed of the first result.", low=0, high=LAST_SEED)
    labels: tuple[str, ...] = option(
        (),
        "Classes by name or number, repeated over the results; empty: unconditional.",
    )
    guidance: float = option(
        GUIDANCE,
        "Guidance weight w where labels are given; 1 is none.",
        low=-100,
        high=100,
    )
    steps: str = option(str(EDITS.steps), "Steps, one evaluation each for most.")
    spacing: Spacing = option("uniform", "How the steps are spaced.")


@dataclass(frozen=True)
class RedDiffConfig:
    """Descends on the picture itself; needs no derivative of the model."""

    rate: float = option(
        0.05, "Step size of Adam; its authors take 0.1 for a thousand steps.", low=0
    )
    weight: float = option(
        0.01,
        "Weight of the regulariser beside the measurement; its authors take 0.25. The "
        "noisier the measurement, the more.",
        low=0,
    )
    weighting: RedDiffWeighting = option(
        "linear", "How the weight of the noise's error goes with sqrt((1 - a) / a)."
    )


@dataclass(frozen=True)
class DPSConfig:
    """Samples, a gradient step towards the measurement after each step."""

    scale: float = option(1.0, "Length of the gradient step.", low=0)
    sampler: str = option(EDITS.sampler, "Sampler, by name.")


@dataclass(frozen=True)
class PiGDMConfig:
    """Samples, the estimate guided by the pseudo-inverse, through the model."""

    eta: float = option(1.0, "Share of fresh noise in a step.", low=0, high=1)
    rule: Literal["paper", "posterior"] = option(
        "paper",
        "paper pulls alike in every step; posterior as much as Bayes' rule says.",
    )


@dataclass(frozen=True)
class DDNMConfig:
    """Samples, every estimate replaced by the nearest that fits the measurement."""

    sampler: str = option(EDITS.sampler, "Sampler, by name.")


@dataclass(frozen=True)
class RePaintConfig:
    """As ddnm, each stretch of levels several times, so that all comes to fit."""

    resamplings: int = option(4, "Times that each stretch is sampled.", low=1)
    jump: int = option(10, "Steps in a stretch.", low=1)
    sampler: str = option(EDITS.sampler, "Sampler, by name.")


@dataclass(frozen=True)
class ILVRConfig:
    """Samples, each noisy picture given what the noised measurement has."""

    until: float = option(
        1.0,
        "Share of the steps in which it does; then they go on freely.",
        low=0,
        high=1,
    )
    sampler: str = option(EDITS.sampler, "Sampler, by name.")


@dataclass(frozen=True)
class IDMConfig:
    """What a model of python -m pdm_tf.distillation idm has learnt of one operator."""


@dataclass(frozen=True)
class TiramisuConfig(RePaintConfig):
    """As repaint, of masks; a circuit steers the model at its noisiest levels."""

    circuit: str = option("", "Directory that learn_circuit made.")
    share: float = option(
        0.5,
        "Least share m of the model in the product of both laws of a pixel (the paper "
        "has 0.8); 1: the circuit is not asked.",
        low=0,
        high=1,
    )
    since: float = option(
        0.3,
        "Share of the timesteps above which the circuit steers; the paper's 0.9 is for "
        "256x256 pixels, and does nothing to 32x32.",
        low=0,
        high=1,
    )
    temperature: float = option(
        1.0,
        "How softly estimates of hidden pixels count as evidence, in squares of pixels "
        "from -1 to 1; the paper has 0.1, and 0.01 for seen ones, as here.",
        low=1e-3,
        high=1e6,
    )


@dataclass(frozen=True)
class LearnCircuitConfig:
    """Learns a circuit of a data set, for tiramisu."""

    dataset: str = option(
        "mnist", "Pictures to learn from, as of train.py; its held-out part judges."
    )
    image_shape: tuple[int, ...] = option(
        (32, 32, 1), "Height, width, channels: those of the model that it is to steer."
    )
    pictures: int = option(
        10_000, "Pictures to learn from, at most, spread over all.", low=1
    )
    patch: int = option(
        4, "Side of a patch [pixels], which one code stands for.", low=1
    )
    codes: int = option(128, "Codes: centres of k-means.", low=2, high=4096)
    states: int = option(32, "Hidden states of each patch.", low=1, high=1024)
    iterations: int = option(60, "Iterations of EM.", low=1)
    smoothing: float = option(
        0.1, "Laplace's: added to each expected count.", low=0, high=1e6
    )
    seed: int = option(
        0, "Seed of the first centres and tables.", low=0, high=LAST_SEED
    )
    out: str = option(
        "", "Directory of the circuit; the same command goes on where it was stopped."
    )


# Method -> what its flags are read into.
METHODS: dict[str, tuple[type, ...]] = {
    "simulate": (ProblemConfig, SimulateConfig),
    "red_diff": (ProblemConfig, SolveConfig, RedDiffConfig),
    "dps": (ProblemConfig, SolveConfig, DPSConfig),
    "pigdm": (ProblemConfig, SolveConfig, PiGDMConfig),
    "ddnm": (ProblemConfig, SolveConfig, DDNMConfig),
    "repaint": (ProblemConfig, SolveConfig, RePaintConfig),
    "ilvr": (ProblemConfig, SolveConfig, ILVRConfig),
    "idm": (ProblemConfig, SolveConfig, IDMConfig),
    "tiramisu": (ProblemConfig, SolveConfig, TiramisuConfig),
    "learn_circuit": (LearnCircuitConfig,),
}
