"""SVDQuant: outliers go into a branch of low rank, what is left into 4 bits.

Each layer's input channels are first evened out, the weights taking what activations
lose; then the largest directions of the weights go into a 16-bit branch of low rank.
"""

import re
from collections.abc import Callable, Iterator
from math import ceil
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from pdm_tf.config.quantization import SVDQuantConfig as Config
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.derivation import Context, Derivation
from pdm_tf.errors import SettingError
from pdm_tf.networks.transforms import LayerTransform, layers_of
from pdm_tf.quantization.calibration import Rows
from pdm_tf.quantization.cost import compare_costs as measure
from pdm_tf.quantization.deriving import Fitting, quantized
from pdm_tf.quantization.layer import QuantizedLayer
from pdm_tf.quantization.low_rank_layer import (
    LOWEST,
    LowRankLayer,
    round_dynamically,
    round_kernel,
)
from pdm_tf.quantization.min_max import fit_nearest
from pdm_tf.quantization.observing import call_eagerly
from pdm_tf.quantization.spec import OUTER, LayerSpec, spec_of

__all__ = ["KIND", "PAPER", "Config", "derive", "low_rank", "measure"]

KIND = "quantized"
PAPER = (
    "SVDQuant: Absorbing Outliers by Low-Rank Components for 4-Bit Diffusion Models, "
    "arXiv 2411.05007"
)
REPORTED = "3.5 times less memory than float16, 3.0 times faster than 4-bit weights"
NOT_REPRODUCED = (
    "fused kernels of 4 bits, and with them the speed; the paper's transformers: here "
    "it is convolutions, whose width makes the branch a larger part of the file"
)
# Of calibration, that candidates are tried on: on 12 the gain is 1 dB less.
ROWS = 36
EXPONENTS = np.arange(1, 20) / 20
AFTER_SILU = ("conv_in", "conv_out")


class _Trial(NamedTuple):
    """What candidates for one layer are tried with."""

    compute: Callable[[tf.Tensor, np.ndarray], tf.Tensor]  # input, kernel -> output
    x: np.ndarray
    kernel: np.ndarray
    wanted: np.ndarray
    layer: LowRankLayer

    def error(
        self, smooth: np.ndarray, residual: np.ndarray, branch: np.ndarray | None
    ) -> float:
        """Squared error of the output, both sides rounded.

        Args:
          smooth: factors of the input, [in].
          residual: what is rounded, of kernel times factors less the branch.
          branch: A B, or None.
        """
        weights, activations = self.layer.spec.weights, self.layer.spec.activations
        assert weights is not None
        x = tf.constant(self.x / smooth)
        rounded = x
        if activations is not None:
            lowest = tf.constant(LOWEST / smooth) if self.layer.after_silu else None
            rounded = round_dynamically(x, activations.bits, lowest)
        y = self.compute(rounded, round_kernel(residual, weights.bits))
        if branch is not None:
            y = y + self.compute(x, branch)
        return float(tf.reduce_mean(tf.math.squared_difference(y, self.wanted)))


def low_rank(matrix: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """A [m, r] and B [r, n], whose product is the nearest of that rank."""
    u, s, v = np.linalg.svd(matrix, full_matrices=False)
    return u[:, :rank] * s[:rank], v[:rank]


def _factors(trial: _Trial) -> Iterator[np.ndarray]:
    """Candidates for smoothing, [in] each: none, and 38 of the paper's code."""
    flat = trial.kernel.reshape(-1, *trial.kernel.shape[-2:])
    of_x = np.abs(trial.x).reshape(-1, trial.x.shape[-1]).max(axis=0)
    of_w = np.abs(flat).max(axis=(0, 2))
    yield np.ones(len(of_x), np.float32)
    usable = (of_x > 0) & (of_w > 0)
    for p in EXPONENTS:
        for q in (0.0, 1.0 - p):
            with np.errstate(divide="ignore", invalid="ignore"):
                found = of_x**p / of_w**q
            yield np.where(usable, found, 1.0).astype(np.float32)


def _fit_layer(trial: _Trial, smoothing: bool, rounds: int) -> None:
    layer, kernel = trial.layer, trial.kernel
    candidates = (
        list(_factors(trial)) if smoothing else [np.ones(kernel.shape[-2], np.float32)]
    )

    def smoothed(smooth: np.ndarray) -> np.ndarray:
        return (kernel * smooth[:, None]).astype(np.float32)

    errors = [trial.error(s, smoothed(s), None) for s in candidates]
    smooth = candidates[int(np.argmin(errors))]
    layer.set_residual(smoothed(smooth), smooth)
    if layer.rank:
        _fit_branch(trial, smooth, smoothed(smooth), min(errors), rounds)


def _branch(
    layer: LowRankLayer, kernel: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A and B, float16, nearest to a kernel, and their product in its shape."""
    a, b = low_rank(kernel.reshape(-1, kernel.shape[-1]), layer.rank)
    a, b = a.astype(np.float16), b.astype(np.float16)
    product = a.astype(np.float32) @ b.astype(np.float32)
    return a, b, product.reshape(kernel.shape)


def _fit_branch(
    trial: _Trial, smooth: np.ndarray, whole: np.ndarray, least: float, rounds: int
) -> None:
    """Branch and residual in turn, until the error of the output grows."""
    layer = trial.layer
    weights = layer.spec.weights
    assert weights is not None
    rounded, last = np.zeros_like(whole), np.inf
    for _ in range(rounds):
        a, b, branch = _branch(layer, whole - rounded)
        residual = whole - branch
        error = trial.error(smooth, residual, branch)
        if error >= last:
            break
        if error < least:
            least = error
            layer.set_residual(residual, smooth)
            layer.set_branch(a, b)
        rounded, last = round_kernel(residual, weights.bits), error


class _Kept(LayerTransform):
    """Keeps what a layer reads."""

    def __init__(self) -> None:
        self.x = np.zeros(0, np.float32)

    def inputs(self, x: tf.Tensor, t: tf.Tensor) -> tf.Tensor:
        self.x = np.array(tf.cast(x, tf.float32))
        return x


def fit(fitting: Fitting, config: Config) -> None:
    """Smoothing, branch and residual of every inner layer; outer ones to nearest."""
    own = {p: x for p, x in fitting.plan.items() if isinstance(x, LowRankLayer)}
    others = {p: x for p, x in fitting.plan.items() if p not in own}
    fit_nearest(fitting._replace(plan=others), "mse")
    chosen = np.linspace(0, len(fitting.rows.t) - 1, ROWS).astype(int)
    rows: Rows = fitting.rows.taken(chosen)
    kept = {path: _Kept() for path in own}
    call_eagerly(fitting.denoise, next(rows.batches(ROWS)), kept)
    layers = layers_of(fitting.denoise.network)
    for i, (path, layer) in enumerate(own.items()):
        kernel, x = fitting.kernel(path), kept.pop(path).x

        def compute(x: tf.Tensor, kernel: np.ndarray, path: str = path) -> tf.Tensor:
            return layers[path].apply_kernel(x, tf.constant(kernel, tf.float32))

        wanted = np.asarray(compute(tf.constant(x), kernel))
        trial = _Trial(compute, x, kernel, wanted, layer)
        _fit_layer(trial, config.smoothing, config.rounds)
        if i % 10 == 9:
            fitting.context.note(f"layer {i + 1}/{len(own)} {path}")


def layer_maker(config: Config) -> Callable[..., QuantizedLayer | None]:
    """Makes the layers of a plan: those of few bits have a branch."""

    def make(path: str, shape: tuple[int, ...], spec: LayerSpec) -> Any:
        if not shape or re.fullmatch(OUTER, path):
            return None
        rank = ceil(shape[-1] / 8) if config.rank < 0 else config.rank
        return LowRankLayer(shape, spec, rank, path.endswith(AFTER_SILU))

    return make


def derive(base: Denoiser, config: Config, context: Context) -> Derivation:
    """The base with branches of low rank beside layers of few bits.

    Args:
      base: any composition of denoisers of networks.
      config: bits, rank, smoothing and calibration.
      context: of the derivation.

    Raises:
      InputError: see `deriving.quantized`.
      SettingError: settings that there cannot be.
    """
    if config.rounds < 1:
        raise SettingError("rounds", config.rounds, "give 1 or more")
    if config.weight_bits > 8:
        raise SettingError("weight_bits", config.weight_bits, "choose 2 to 8")
    spec, make = spec_of(config), layer_maker(config)
    return quantized(
        base, config, context, spec, lambda f: fit(f, config), make_layer=make
    )
