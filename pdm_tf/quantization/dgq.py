"""DGQ: input channels of like range share one, and attention is kept logarithmically.

Outlying channels of activations would stretch the range of all; channels are put into
groups by k-means of their least and largest values, each group with a range of its own.
"""

import numpy as np
from scipy.cluster.vq import kmeans2

from pdm_tf.config.quantization import DGQConfig as Config
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.derivation import Context, Derivation
from pdm_tf.errors import SettingError
from pdm_tf.quantization.cost import compare_costs as measure
from pdm_tf.quantization.deriving import Fitting, quantized
from pdm_tf.quantization.layer import QuantizedLayer
from pdm_tf.quantization.log_softmax import LogSoftmax
from pdm_tf.quantization.observing import InputStatistics, by_step, observe
from pdm_tf.quantization.ranges import fit_ranges
from pdm_tf.quantization.rounding import round_to_nearest
from pdm_tf.quantization.spec import LayerSpec, spec_of

__all__ = ["KIND", "PAPER", "Config", "derive", "groups_of", "measure"]

KIND = "quantized"
PAPER = (
    "DGQ: Distribution-Aware Group Quantization for Text-to-Image Diffusion Models, "
    "arXiv 2501.04304"
)
REPORTED = "8-bit weights and 6-bit activations without fine-tuning"
NOT_REPRODUCED = (
    "prompts and the column of their start token; groups of pixels or tokens, which "
    "the paper takes where these spread more; speed: a convolution of g input groups "
    "is a sum of g integer convolutions"
)
STARTS = 8  # of k-means, of which the best counts


def groups_of(
    low: np.ndarray, high: np.ndarray, groups: int, seed: int = 0
) -> np.ndarray:
    """The group of each channel, int [C], by k-means of the pairs.

    Args:
      low: the least value of each channel, [C].
      high: the largest.
      groups: at most so many; as many as channels: each its own.
      seed: of the first centres.
    """
    if groups >= len(low):
        return np.arange(len(low))
    pairs = np.stack([low, high], axis=1).astype(np.float64)
    different = len(np.unique(pairs, axis=0))
    if different <= groups:
        return np.unique(pairs, axis=0, return_inverse=True)[1].ravel()
    return min((_clusters(pairs, groups, seed + n) for n in range(STARTS)), key=_first)[
        1
    ]


def _clusters(pairs: np.ndarray, groups: int, seed: int) -> tuple[float, np.ndarray]:
    """Squared distances to centres, and the cluster of each pair."""
    centres, found = kmeans2(pairs, groups, minit="++", seed=seed, missing="warn")
    return float(np.square(pairs - centres[found]).sum()), found


def _first(found: tuple[float, np.ndarray]) -> float:
    return found[0]


def fit(fitting: Fitting, config: Config) -> None:
    """Weights to nearest; groups of channels, and the ranges that each spans."""
    watched = [p for p, layer in fitting.plan.items() if layer.spec.activations]
    seen = observe(fitting.denoise, fitting.rows, watched)
    for path, layer in fitting.plan.items():
        if layer.spec.weights and layer.shape:
            round_to_nearest(layer, fitting.kernel(path), "mse")
        if layer.spec.activations and not isinstance(layer, LogSoftmax):
            _group(layer, seen[path], config.seed)
            fit_ranges(layer, seen[path], by_step(fitting.rows, layer.step_of))


def _group(layer: QuantizedLayer, seen: InputStatistics, seed: int) -> None:
    if layer.shape and layer.spec.groups > 1:
        low, high = seen.low.min(axis=0), seen.high.max(axis=0)
        layer.group.assign(groups_of(low, high, layer.input_groups, seed))


def derive(base: Denoiser, config: Config, context: Context) -> Derivation:
    """The base with groups of input channels and logarithmic attention.

    Args:
      base: any composition of denoisers of networks.
      config: bits, groups and calibration.
      context: of the derivation.

    Raises:
      InputError: see `deriving.quantized`.
      SettingError: settings that there cannot be.
    """
    if not 1 <= config.groups <= 255:
        raise SettingError("groups", config.groups, "choose 1 to 255")
    spec = spec_of(config, inner=LayerSpec(groups=config.groups))
    if config.log_softmax:
        spec = spec.with_first(r".*/softmax", "log2")
    return quantized(base, config, context, spec, lambda f: fit(f, config))
