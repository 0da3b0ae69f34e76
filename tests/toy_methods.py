"""Methods that tests derive models with: one of each kind, and one that trains."""

from dataclasses import dataclass
from types import SimpleNamespace

import tensorflow as tf

from pdm_tf.config import option
from pdm_tf.config.deriving import TrainedConfig
from pdm_tf.denoisers import Derivation, NetworkDenoiser, Wrapper
from pdm_tf.networks.transforms import LayerTransform, layers_of
from pdm_tf.objectives import DenoisingObjective

PAPER = "A paper, arXiv 0000.00000"


class Shifted(LayerTransform):
    """Adds a learned number for each channel to what a layer gives."""

    def __init__(self, channels, start):
        self.shift = tf.Variable(start * tf.ones([channels]))

    def output(self, y, x, t):
        return y + tf.cast(self.shift, y.dtype)


def shift_plan(network, start):
    path, layer = list(layers_of(network).items())[-1]
    return {path: Shifted(layer.kernel.shape[-1], start)}


@dataclass(frozen=True)
class ShiftConfig:
    """Shifts what the network gives."""

    start: float = option(0.5, "Shift.")


def derive_shift(base, config, context):
    """The value is known to who makes the model alone: opened, it must be read."""
    start = 0.0 if context.restoring else config.start

    def shift(denoise: NetworkDenoiser):
        return denoise.with_plan(shift_plan(denoise.network, start))

    return Derivation(base.map_innermost(shift))


class Scaled(Wrapper):
    """An estimate, scaled: nothing is stored but a setting."""

    def __init__(self, denoise, factor):
        super().__init__(denoise)
        self.factor = factor

    def changed(self, prediction, level):
        return prediction._replace(x=self.factor * prediction.x)


@dataclass(frozen=True)
class ScaleConfig:
    """Scales the estimate."""

    factor: float = option(0.5, "Factor.")


def derive_scaled(base, config, context):
    return Derivation(Scaled(base, config.factor))


@dataclass(frozen=True)
class TrainConfig(TrainedConfig):
    """Trains the shift to denoise."""


def derive_trained(base, config, context):
    denoise = base.with_plan(shift_plan(base.network, 0.0))
    own = {n: v for n, v in denoise.variables.items() if n.startswith("plan.")}
    objective = DenoisingObjective(denoise, own, "sqrt_snr", 0.1, (0, 999))
    sampling = {"sample_guidance": 1.0, "guidance_interval": (0.1, 2.0)}
    return Derivation(denoise, objective, sampling)


METHODS = {
    name: SimpleNamespace(KIND=kind, PAPER=PAPER, Config=config, derive=derive)
    for name, kind, config, derive in (
        ("shift", "adapter", ShiftConfig, derive_shift),
        ("shift_codes", "quantized", ShiftConfig, derive_shift),
        ("scaled", "cached", ScaleConfig, derive_scaled),
        ("trained", "distilled", TrainConfig, derive_trained),
    )
}
