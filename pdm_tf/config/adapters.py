"""Settings of the methods that put adapters on a model."""

from dataclasses import dataclass

from pdm_tf.config.options import option


@dataclass(frozen=True)
class AddConfig:
    """Adapters that were trained on one model, added to another of the same shape."""

    adapter: tuple[str, ...] = option(
        (),
        "Directories of derived models whose adapters are added up, such as one that "
        "lcm_lora made; their own bases need not be there.",
    )
    scale: tuple[float, ...] = option(
        (1.0,),
        "Factor of each, or one for all: 1 adds it, -1 takes it out again.",
    )


METHODS: dict[str, type] = {"add": AddConfig}
