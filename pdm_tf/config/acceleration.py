"""Settings of the methods that make sampling cheaper without training."""

from dataclasses import dataclass

from pdm_tf.config.options import option


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
    steps: int = option(100, "Steps of a sampler that `centre` refers to.")


METHODS: dict[str, type] = {"deepcache": DeepCacheConfig}
