"""PTQ4DM: calibrated on the model's own z, at timesteps drawn from a normal law.

Its answers to three questions: layers are quantised and the sampler's arithmetic is
not; calibration data are z_t of the model's own sampling, each at a timestep that is
drawn from a normal law which leans towards the picture (NDTC); ranges are those of
least error, symmetric.
"""

import numpy as np

from pdm_tf.config.quantization import PTQ4DMConfig as Config
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.derivation import Context, Derivation
from pdm_tf.errors import SettingError
from pdm_tf.quantization.calibration import Choice
from pdm_tf.quantization.cost import compare_costs as measure
from pdm_tf.quantization.deriving import Fitting, quantized
from pdm_tf.quantization.min_max import fit_nearest
from pdm_tf.quantization.spec import spec_of

__all__ = ["KIND", "PAPER", "Config", "derive", "draw_timesteps", "measure"]

KIND = "quantized"
PAPER = "Post-training Quantization on Diffusion Models, arXiv 2211.15736"
REPORTED = "the authors' demonstration on ImageNet-64: FID 21.7 to 24.3 with 8 bits"
NOT_REPRODUCED = (
    "figures on ImageNet-64; the 100 iterations of learned rounding in the authors' "
    "code, which 8 bits do not need here"
)


def draw_timesteps(
    count: int, timesteps: int, mean: float, deviation: float, seed: int
) -> np.ndarray:
    """Timesteps, int [count]: clip(round(T·g), 0, T - 1), g ~ N(mean, deviation²).

    Clipping puts atoms at both ends: of 0.4 and 0.4 those of t = 0 are 16 %.
    """
    g = np.random.default_rng(seed).normal(mean, deviation, count)
    return np.clip(np.round(timesteps * g), 0, timesteps - 1).astype(int)


def choice_of(config: Config, timesteps: int) -> Choice:
    """Of each picture the row at the step nearest to its own timestep."""

    def choose(visited: np.ndarray) -> np.ndarray:
        count = config.calibration_images
        drawn = draw_timesteps(
            count, timesteps, config.ndtc_mean, config.ndtc_deviation, config.seed
        )
        step = np.abs(drawn[:, None] - visited[None]).argmin(axis=1)
        return np.arange(len(visited))[None] == step[:, None]

    return choose


def fit(fitting: Fitting) -> None:
    """Ranges of least error, of weights and of activations."""
    fit_nearest(fitting, "mse")


def derive(base: Denoiser, config: Config, context: Context) -> Derivation:
    """The base with ranges found on NDTC's calibration data.

    Args:
      base: any composition of denoisers of networks.
      config: bits and calibration.
      context: of the derivation.

    Raises:
      InputError: see `deriving.quantized`.
      SettingError: bits or calibration that there cannot be.
    """
    if config.ndtc_deviation < 0:
        raise SettingError("ndtc_deviation", config.ndtc_deviation, "give 0 or more")
    choose = choice_of(config, base.schedule.timesteps)
    spec = spec_of(config, scheme="symmetric")
    return quantized(base, config, context, spec, fit, choose)
