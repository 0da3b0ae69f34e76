"""What the commands that derive a model share, and the length of a training in them."""

from dataclasses import dataclass

from pdm_tf.config.options import option
from pdm_tf.config.sampling import COMPARED


@dataclass(frozen=True)
class DeriveConfig:
    """The base, where the derived model goes, and how both are compared."""

    base: str = option(
        "",
        "Model to derive from: the directory of a run, of a split or of a derived "
        "model, or pretrained:NAME.",
        aliases=("model", "run_dir"),
    )
    out: str = option(
        "",
        "Directory of the derived model; use it like a run's. The same command goes "
        "on where it was stopped.",
        output="directory",
    )
    report_images: int = option(
        100,
        "Pictures of base and derived model, of the same seeds, that report.md "
        "compares; 0 leaves the report out. Fréchet distances need thousands.",
    )
    report_steps: str = option(
        "",
        "Steps of the sampler for these, as sample.py's; empty: as many as each model "
        f"was made for, {COMPARED.steps} for most.",
    )
    report_sampler: str = option(
        "",
        "Sampler for these; empty: the one that each model was made for, "
        f"{COMPARED.sampler} for most.",
    )
    report_guidance: float = option(
        0.0,
        "Guidance weight w for these; 0: as each model samples by itself.",
        low=-100,
        high=100,
    )
    report_batch: int = option(32, "Pictures computed at once for these.")


@dataclass(frozen=True)
class TrainedConfig:
    """How a derivation is trained; a method's own Config extends this.

    A field with the name of one of `TrainingConfig` takes its place. All others are
    those of the base's run.
    """

    iterations: int = option(1000, "Training steps, of all commands together.")
    batch_size: int = option(32, "Pictures in each step.")
    learning_rate: float = option(1e-3, "Step size of Adam.", low=0)
    warmup: int = option(50, "Steps over which the step size grows to its full size.")
    ema_decay: float = option(
        0.99, "Decay of the averaged weights, which are kept.", low=0, high=1
    )
    seed: int = option(0, "Seed of new variables, data order and noise.")
    log_every: int = option(50, "Steps between entries of logs/.")
    save_every: int = option(200, "Steps between checkpoints.")
    sample_every: int = option(0, "Steps between grids of samples; 0: none.")
