"""MixDQ: each layer has as many bits as it needs, within a budget for them all.

How much a layer suffers from few bits is measured layer by layer: of those that make a
picture's content by the pictures' similarity, of the others by the network's output. An
integer program gives each its bits (arXiv 2405.17873). The most sensitive layers read
float32, here and in exports to 8 bits that ask for it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from pdm_tf.config.quantization import FLOAT
from pdm_tf.config.quantization import MixDQConfig as Config
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.derivation import Context, Derivation
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.denoisers.network import NetworkDenoiser
from pdm_tf.quantization.calibration import LAST_SEED
from pdm_tf.quantization.cost import compare_costs as measure
from pdm_tf.quantization.deriving import Fitting, quantized
from pdm_tf.quantization.min_max import fit_nearest
from pdm_tf.quantization.mixed_bits import (
    check_choices,
    find_activation_bits,
    find_weight_bits,
)
from pdm_tf.quantization.spec import (
    LayerSpec,
    NumberFormat,
    QuantizationSpec,
    spec_of,
)
from pdm_tf.quantization.trials import Trials
from pdm_tf.samplers import DDIM, sample

__all__ = ["KIND", "PAPER", "Config", "derive", "float_layers", "measure"]

KIND = "quantized"
PAPER = (
    "MixDQ: Memory-Efficient Few-Step Text-to-Image Diffusion Models with "
    "Metric-Decoupled Mixed Precision Quantization, arXiv 2405.17873"
)
REPORTED = "3 to 4 times less memory and 1.45 times less time than float16, W5A8"
NOT_REPRODUCED = (
    "SDXL-turbo, its kernels, and the start token that stays float; scores are powers "
    "of errors, which add up, where the authors' code adds decibels"
)


def derive(base: Denoiser, config: Config, context: Context) -> Derivation:
    """The base with bits of its own for each layer.

    Args:
      base: any composition of denoisers of networks.
      config: mean bits, and how layers are measured.
      context: of the derivation.

    Raises:
      InputError: see `deriving.quantized`.
      SettingError: bits, shares or calibration that there cannot be.
    """
    check_choices(config)
    spec_of(config)
    found: dict[str, Any] = dict(context.facts)

    def choose(fitting: Fitting) -> QuantizationSpec:
        if fitting.name not in found:
            found[fitting.name] = find_bits(base, fitting, config)
        return spec_with(config, found[fitting.name])

    fit = partial(fit_nearest, search="mse")
    return quantized(base, config, context, choose, fit)._replace(facts=found)


def find_bits(
    base: Denoiser, fitting: Fitting, config: Config
) -> dict[str, dict[str, int]]:
    """Bits of weights and of activations by layer, 32 being float32."""
    count = min(config.sensitivity_rows, len(fitting.rows.t))
    rng = np.random.default_rng(config.seed)
    rows = fitting.rows.taken(rng.choice(len(fitting.rows.t), count, replace=False))
    few = fitting._replace(rows=rows)
    trials = Trials(fitting.denoise, rows, drawing_of(base, fitting, config))
    found = {"weights": dict[str, int](), "activations": dict[str, int]()}
    if config.weight_bits != FLOAT:
        found["weights"] = find_weight_bits(trials, few, config)
    found["activations"] = find_activation_bits(trials, few, config)
    return found


def drawing_of(
    base: Denoiser, fitting: Fitting, config: Config
) -> Callable[[NetworkDenoiser], Callable[[], np.ndarray]]:
    """What draws pictures of the base with another network in the place of one."""
    sampling = fitting.context.settings.sampling
    numbers = config.calibration_images + np.arange(config.sensitivity_images)
    grid = base.schedule.grid(config.sensitivity_steps)

    def drawing(tried: NetworkDenoiser) -> Callable[[], np.ndarray]:
        whole = base.map_innermost(
            lambda inner: tried if inner is fitting.denoise else inner
        )
        labels = numbers % max(1, base.num_classes)
        guided = for_sampling(whole, labels, sampling.sample_guidance, sampling)
        seeds = (LAST_SEED - numbers).astype(np.int32)
        return lambda: np.asarray(sample(guided, DDIM(), grid, seeds, base.image_shape))

    return drawing


def spec_with(
    config: Config, bits: Mapping[str, Mapping[str, int]]
) -> QuantizationSpec:
    """The rules of a network whose layers have bits of their own."""
    usual, rules = spec_of(config), []
    for path, activations in bits["activations"].items():
        like = usual.of(path) or LayerSpec()
        weights = bits["weights"].get(path)
        own = NumberFormat(weights) if weights else like.weights
        read = None if activations == FLOAT else NumberFormat(activations)
        rules.append((re.escape(path), replace(like, weights=own, activations=read)))
    return QuantizationSpec((*rules, *usual.rules))


def float_layers(found: Mapping[str, Any]) -> tuple[str, ...]:
    """Patterns of the layers that read float32, for exports to 8-bit arithmetic.

    Args:
      found: `facts` of a model of this method: what it has found, by network.
    """
    left = {
        path
        for bits in found.values()
        for path, read in bits["activations"].items()
        if read == FLOAT
    }
    return tuple(re.escape(path) for path in sorted(left))
