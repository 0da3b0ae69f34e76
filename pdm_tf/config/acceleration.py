"""Settings of the methods that make sampling cheaper without training."""

from dataclasses import dataclass

from pdm_tf.config.options import option
from pdm_tf.config.sampling import CACHED, COMPARED


@dataclass(frozen=True)
class DeepCacheConfig:
    """Keeps deep features over several evaluations (DeepCache, arXiv 2312.00858)."""

    every: int = option(
        3, "Evaluations from one that computes all to the next; 1: each computes all."
    )
    live_blocks: int = option(
        1, "Blocks of the decoder, counted from the output, that are never kept."
    )
    power: float = option(
        1.0,
        "Above 1, such as 1.2: evaluations that compute all lie densest about "
        "`centre`, as many of `steps` as `every` says; 1: evenly.",
    )
    centre: int = option(50, "Step about which they lie densest, with `power` above 1.")
    steps: int = option(CACHED.steps, "Steps of a sampler that `centre` refers to.")


@dataclass(frozen=True)
class EncoderPropagationConfig:
    """Keeps the encoder over many steps (Faster Diffusion, arXiv 2312.09608)."""

    keys: tuple[int, ...] = option(
        (0, 1, 2, 3, 5, 10, 15, 25, 35),
        "Steps that compute the encoder, counted from the noisiest, of `steps` evenly "
        "spaced ones; samplers of other steps compute it when they pass these.",
    )
    last_keys: int = option(
        4, "Steps at the end, of `steps`, that compute the encoder too."
    )
    steps: int = option(
        COMPARED.steps,
        "Steps of a sampler that `keys` and `last_keys` refer to.",
    )
    live_input: bool = option(
        True,
        "Compute the input convolution in every step, for the decoder's last block and "
        "the variance; false: it is kept like the rest of the encoder.",
    )


@dataclass(frozen=True)
class TimeTableConfig:
    """Looks up what layers make of timestep and class (exact; arXiv 2407.19547)."""

    largest: int = option(
        256, "Size of all tables [MiB] beyond which none are made; see docs."
    )


METHODS: dict[str, type] = {
    "deepcache": DeepCacheConfig,
    "encoder_propagation": EncoderPropagationConfig,
    "time_table": TimeTableConfig,
}
