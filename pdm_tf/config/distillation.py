"""Settings of the methods that distil a model."""

from dataclasses import dataclass

from pdm_tf.config.deriving import TrainedConfig
from pdm_tf.config.options import option
from pdm_tf.config.sampling import GUIDANCE


@dataclass(frozen=True)
class GuidanceLoraConfig(TrainedConfig):
    """One evaluation learns what guidance needs two for, in adapters (2312.06899)."""

    guidance: float = option(
        GUIDANCE,
        "Guidance weight w that is distilled, as the paper counts it; 1 is none.",
        low=-100,
        high=100,
    )
    rank: int = option(8, "Rank of the adapters; small layers take less.")
    layers: str = option(
        "",
        "Regular expression for the paths of the layers that are adapted, such as "
        '"attention|skip"; empty: all of them.',
    )
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
    label_dropout: float = option(
        0.1,
        "Share of labels replaced by the null label, whose target is unguided.",
        low=0,
        high=1,
    )
    ema_every: int = option(10, "Steps between two updates of the averaged weights.")


METHODS: dict[str, type] = {"guidance_lora": GuidanceLoraConfig}
