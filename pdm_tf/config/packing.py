"""The command lines of `pdm-tf pack` and `pdm-tf unpack`."""

from dataclasses import dataclass

from pdm_tf.config.options import option


@dataclass(frozen=True)
class PackConfig:
    """A model in one file that can be passed on."""

    model: str = option(
        "", "Directory of a run, a derived model or a split, or pretrained:NAME."
    )
    out: str = option("", "Zip file that is made.", output="any")
    licence: str = option(
        "", "Under which licence weights and pictures are passed on, for the card."
    )
    note: str = option("", "What the card says of the model besides, in a sentence.")


@dataclass(frozen=True)
class UnpackConfig:
    """A packed model, checked, as a directory that is used like a run's."""

    archive: str = option("", "Zip file that pdm-tf pack made.")
    out: str = option("", "Directory of the model; new.", output="directory")
