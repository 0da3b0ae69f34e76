"""Q-Diffusion: blocks learn how to round, on the model's own trajectories.

Calibration takes z of several steps of the model's own sampling, with the label and, in
a guided model, without. Weights learn to go down or up, block by block; then steps of
activations are learned. The decoder's projections read a concatenation: what comes from
below and the skip have ranges and scales of their own.
"""

import numpy as np

from pdm_tf.config.quantization import LowBitFloatConfig
from pdm_tf.config.quantization import QDiffusionConfig as Config
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.derivation import Context, Derivation
from pdm_tf.quantization.calibration import Choice
from pdm_tf.quantization.cost import compare_costs as measure
from pdm_tf.quantization.deriving import Fitting, quantized
from pdm_tf.quantization.min_max import fit_nearest
from pdm_tf.quantization.reconstruction import (
    Recipe,
    check_counts,
    reconstruct_activations,
    reconstruct_weights,
)
from pdm_tf.quantization.spec import LayerSpec, spec_of

__all__ = ["KIND", "PAPER", "Config", "derive", "measure", "steps_taken"]

KIND = "quantized"
PAPER = "Q-Diffusion: Quantizing Diffusion Models, arXiv 2302.04304"
REPORTED = "FID changes by at most 2.34 with 4-bit weights, naive rounding by over 100"
NOT_REPRODUCED = (
    "attention to text; arithmetic in 4 bits; 20,000 iterations a block, of which a "
    "network of this width needs some hundreds"
)


def steps_taken(steps: int, count: int) -> np.ndarray:
    """Indices of the steps that are calibrated on: evenly from the noisiest, and the
    last, nearly clean one, which the authors' code leaves out."""
    return np.unique(np.append(np.arange(0, steps, max(1, steps // count)), steps - 1))


def choice_of(config: Config | LowBitFloatConfig) -> Choice:
    """The same steps of every picture."""

    def choose(visited: np.ndarray) -> np.ndarray:
        kept = np.zeros((config.calibration_images, len(visited)), bool)
        kept[:, steps_taken(len(visited), config.calibrated_steps)] = True
        return kept

    return choose


def fit(fitting: Fitting, config: Config) -> None:
    """Ranges of least error, then rounding and steps of activations as learned."""
    fit_nearest(fitting, "mse")
    recipe = recipe_of(config)
    reconstruct_weights(fitting, recipe)
    reconstruct_activations(fitting, recipe)


def recipe_of(config: Config | LowBitFloatConfig) -> Recipe:
    """How blocks are trained.

    Raises:
      SettingError: a negative number of iterations, or an empty batch.
    """
    check_counts(
        config,
        iterations=0,
        activation_iterations=0,
        batch_size=1,
        calibrated_steps=1,
    )
    return Recipe(
        config.iterations,
        config.activation_iterations,
        config.batch_size,
        config.rounding_rate,
        config.step_rate,
        seed=config.seed,
    )


def derive(base: Denoiser, config: Config, context: Context) -> Derivation:
    """The base with weights and ranges that blocks have learned.

    Args:
      base: any composition of denoisers of networks.
      config: bits, calibration and training of blocks.
      context: of the derivation.

    Raises:
      InputError: see `deriving.quantized`.
      SettingError: settings that there cannot be.
    """
    recipe_of(config)
    spec = spec_of(config, inner=LayerSpec(split=config.split))
    choose = choice_of(config)
    return quantized(base, config, context, spec, lambda f: fit(f, config), choose)
