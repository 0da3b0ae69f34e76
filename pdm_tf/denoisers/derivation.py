"""What a method makes of a base model."""

from typing import Any, NamedTuple

from pdm_tf.denoisers.denoiser import Denoiser


class Derivation(NamedTuple):
    """A derived model, and what is to be trained before it is one."""

    denoiser: Denoiser  # its variables beyond those of the base are what is stored
    objective: Any = None  # see `training.objective`; None where nothing is trained
