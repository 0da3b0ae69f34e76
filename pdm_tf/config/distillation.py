"""Settings of the methods that distil a model."""

from dataclasses import dataclass
from typing import Literal

from pdm_tf.config.deriving import TrainedConfig
from pdm_tf.config.options import option
from pdm_tf.config.restoring import IDMConfig
from pdm_tf.config.sampling import FEW, GUIDANCE, PAIRED, UNROLLED


@dataclass(frozen=True)
class AdaptedConfig(TrainedConfig):
    """How a student learns in adapters; a method's own Config extends this."""

    rank: int = option(16, "Rank of the adapters; small layers take less.", low=1)
    layers: str = option(
        "",
        "Regular expression for the paths of the layers that are adapted, such as "
        '"attention|skip"; empty: all of them.',
    )
    microbatch: int = option(
        0, "Pictures taken at a time, gradients added up; 0: all at once."
    )
    label_dropout: float = option(
        0.1,
        "Share of labels replaced by the null label, whose target is unguided.",
        low=0,
        high=1,
    )


@dataclass(frozen=True)
class ChosenConfig(AdaptedConfig):
    """Of the last checkpoints the best is the model."""

    validation_images: int = option(
        300,
        "Pictures of each kept checkpoint whose distance to the training pictures says "
        "which is the best; 0: the last is.",
        low=0,
    )


@dataclass(frozen=True)
class GuidanceLoraConfig(AdaptedConfig):
    """One evaluation learns what guidance needs two for, in adapters (2312.06899)."""

    guidance: float = option(
        GUIDANCE,
        "Guidance weight w that is distilled, as the paper counts it; 1 is none. With "
        "a range: the w where none is asked for.",
        low=-100,
        high=100,
    )
    guidance_range: tuple[float, ...] = option(
        (),
        "Least and largest w, such as 1,4, of a model that takes w when it samples; "
        "empty: it has the one w.",
        low=1,
        high=100,
    )
    rank: int = option(8, "Rank of the adapters; small layers take less.", low=1)
    trajectory_steps: int = option(
        4,
        "Steps of DDIM by which half of the z that are trained on are drawn from noise "
        "with the student itself; 0: all of them are noised data.",
    )
    iterations: int = option(400, "Training steps, of all commands together.")
    batch_size: int = option(64, "Pictures in each step; an even number.")
    microbatch: int = option(
        8,
        "Pictures taken at a time, gradients added up: what a step computes must not "
        "outweigh the second model that adapters spare; 0: all at once.",
    )
    ema_every: int = option(10, "Steps between two updates of the averaged weights.")


@dataclass(frozen=True)
class LcmLoraConfig(ChosenConfig):
    """Pictures in 1 to 8 evaluations, by adapters alone (LCM-LoRA, 2311.05556)."""

    guidance: float = option(
        GUIDANCE,
        "Guidance weight w of the teacher, as the paper of diffusion counts it: 1 is "
        "none; the student is never guided again.",
        low=-100,
        high=100,
    )
    solver_steps: int = option(
        25,
        "Steps in which the teacher would come from noise to a picture; an estimate "
        "learns from the one that is one of these steps later. The paper has 50, and "
        "trains longer.",
        low=1,
    )
    huber: float = option(
        0.0, "c of the loss sqrt(d² + c²) - c of an error d; 0: d².", low=0
    )
    learning_rate: float = option(
        4e-4, "Step size of Adam; at 1e-3 the student drifts.", low=0
    )
    iterations: int = option(1200, "Training steps, of all commands together.")
    ema_every: int = option(3, "Steps between two updates of the averaged weights.")
    keep: int = option(
        6, "Last checkpoints that are kept; the best of them is the model.", low=1
    )


@dataclass(frozen=True)
class ProgressiveConfig(ChosenConfig):
    """Half as many steps as the base takes (progressive distillation, 2202.00512)."""

    steps: int = option(
        FEW.steps,
        "Steps of the student; the base is the teacher in twice as many.",
        low=1,
    )
    guidance: float = option(
        GUIDANCE,
        "Guidance weight w of the teacher, the first of a chain; 1 is none. What is "
        "distilled already keeps its own.",
        low=-100,
        high=100,
    )
    learning_rate: float = option(5e-4, "Step size of Adam.", low=0)
    iterations: int = option(300, "Training steps, of all commands together.")
    ema_every: int = option(2, "Steps between two updates of the averaged weights.")
    save_every: int = option(100, "Steps between checkpoints.")
    keep: int = option(
        3, "Last checkpoints that are kept; the best of them is the model.", low=1
    )


@dataclass(frozen=True)
class MMDConfig(ChosenConfig):
    """Few steps whose pictures are distributed as the data (MMD-DDM, 2301.07969)."""

    steps: int = option(
        UNROLLED.steps, "Steps of the sampler that it is tuned for.", low=1
    )
    sampler: str = option(
        "",
        "Sampler that it is tuned for; empty: the one that the base was made for, "
        f"{UNROLLED.sampler} for most.",
    )
    kernel: Literal["cubic", "gaussian"] = option(
        "cubic", "Similarity of features x, y: (x·y / d + 1)³ or exp(-|x - y|² / d)."
    )
    features: int = option(
        256, "Features: principal axes of what a network sees of a picture.", low=1
    )
    classifier: int = option(
        6,
        "Rounds through the pictures in which a small classifier learns them, whose "
        "features are compared; 0, or without classes: those of the base's network.",
        low=0,
    )
    reference_images: int = option(
        1000, "Training pictures that the generated ones are compared with.", low=2
    )
    label_weight: float = option(
        1.0,
        "What x·y / d gains where labels are the same; 0: labels do not count.",
        low=0,
    )
    recompute: bool = option(
        False,
        "Keep of each step but its input, and compute it again for gradients: memory "
        "of one step for a third more time.",
    )
    layers: str = option(
        "^(?!variance)",
        "Regular expression for the paths of the layers that are adapted; by default "
        "all but the head of variances, which no sampler of few steps looks at.",
    )
    batch_size: int = option(64, "Pictures that are drawn in each step.", low=2)
    learning_rate: float = option(
        1e-4,
        "Step size of Adam; at 5e-4 digits become rough: the discrepancy of a few "
        "pictures is mostly chance.",
        low=0,
    )
    clip_norm: float = option(
        1.0, "Largest global norm of the gradients; 0: any.", low=0
    )
    iterations: int = option(100, "Training steps, of all commands together.")
    warmup: int = option(20, "Steps over which the step size grows to its full size.")
    ema_every: int = option(2, "Steps between two updates of the averaged weights.")
    save_every: int = option(25, "Steps between checkpoints.")
    keep: int = option(
        4, "Last checkpoints that are kept; the best of them is the model.", low=1
    )


@dataclass(frozen=True)
class SlimConfig(TrainedConfig):
    """How a smaller network learns; a method's own Config extends this."""

    width: int = option(
        0,
        "Channels of the student's finest level; 0: 0.35 of the base's, for an eighth "
        "of its operations.",
        low=0,
    )
    label_dropout: float = option(
        0.1, "Share of labels replaced by the null label.", low=0, high=1
    )
    learning_rate: float = option(2e-3, "Step size of Adam.", low=0)
    iterations: int = option(1200, "Training steps, of all commands together.")
    ema_every: int = option(4, "Steps between two updates of the averaged weights.")
    save_every: int = option(200, "Steps between checkpoints.")


@dataclass(frozen=True)
class SpectralConfig(SlimConfig):
    """A slim network that learns its base's frequencies (Spectral, 2211.17106)."""

    gated: bool = option(
        True, "Halve and double the grid by gated wavelets; no: by convolutions."
    )
    spatial: float = option(
        0.1, "Factor of the mean square error to the base, at all scales.", low=0
    )
    frequency: float = option(
        0.1, "Factor of the same, weighted in frequency. Both 0: no teacher.", low=0
    )
    power: float = option(
        -1.0, "p of these weights |F(x)|^p of the clean picture x.", low=-4, high=4
    )


@dataclass(frozen=True)
class SlimFlowConfig(SlimConfig):
    """Straight ways of a small network, then one step of it (SlimFlow, 2407.12718)."""

    width: int = option(
        0,
        "Channels of the student's finest level; 0: 0.47 of the base's, for less than "
        "a quarter of its operations. One step is learnt by a network like its base's.",
        low=0,
    )
    guidance: float = option(
        GUIDANCE,
        "Guidance weight w of the base's pictures; 1 is none. What this method made "
        "already keeps its own.",
        low=-100,
        high=100,
    )
    pairs: int = option(
        1000, "Noises, and pictures that the base makes of them, to learn from.", low=1
    )
    pair_sampler: str = option(
        PAIRED.sampler, "Sampler of these; one that draws no noise on its way."
    )
    pair_steps: int = option(PAIRED.steps, "Steps of it.", low=1)
    annealed: float = option(
        0.5,
        "Share of the training in which noises turn from fresh ones into those of the "
        "pairs; 0: those of the pairs from the start, plain reflow.",
        low=0,
        high=1,
    )
    steps: int = option(
        FEW.steps,
        "Steps that a model of straight ways is sampled in by default.",
        low=1,
    )
    validation_images: int = option(
        300,
        "Pictures of each kept checkpoint whose distance to the training pictures says "
        "which is the best; 0: the last is.",
        low=0,
    )
    iterations: int = option(800, "Training steps, of all commands together.")
    keep: int = option(
        3, "Last checkpoints that are kept; the best of them is the model.", low=1
    )


METHODS: dict[str, type] = {
    "guidance_lora": GuidanceLoraConfig,
    "idm": IDMConfig,
    "lcm_lora": LcmLoraConfig,
    "mmd": MMDConfig,
    "progressive": ProgressiveConfig,
    "slimflow": SlimFlowConfig,
    "spectral": SpectralConfig,
}
