"""What makes a network fit for 8-bit arithmetic with fixed ranges, for every runtime.

Static ranges lost 20 dB of photographs, for one reason: what the decoder's finest
blocks read is spread unevenly over its channels, and one range for all of them leaves a
few codes for most. So each channel is divided by a scale of its own, which the kernel
takes back (SmoothQuant, arXiv 2211.10438), and what even then is most sensitive stays
as it is.
"""

import re
from collections.abc import Sequence
from itertools import count

import numpy as np
import tensorflow as tf

from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.network import NetworkDenoiser
from pdm_tf.networks.transforms import LayerTransform, layers_of
from pdm_tf.quantization.calibration import Rows
from pdm_tf.quantization.cost import networks_of, plan_bits
from pdm_tf.quantization.deriving import kernel_of, network_of
from pdm_tf.quantization.observing import InputStatistics, observe
from pdm_tf.quantization.uniform import fake_quantized

# How much of the unevenness may go into the kernel: chosen for each layer.
STRENGTHS = (0.0, 0.25, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
# Patterns of whole paths: pixels, what is looked up or next to nothing to compute, and
# what the finest blocks of the decoder carry past themselves.
FLOAT = (
    r"patches_in",
    r"patches_out",
    r"time_\d",
    r"variance_(time|out)",
    r"up_0_\d+/skip",
)


class Smoothed(LayerTransform):
    """Divides what a layer reads by a scale of each channel, and may round it.

    Args:
      scale: float32 [in].
      ends: least and largest value of what is divided, which becomes 8 bits; None: it
        stays as it is.
    """

    def __init__(
        self, scale: np.ndarray, ends: tuple[float, float] | None = None
    ) -> None:
        self.scale, self.ends = scale.astype(np.float32), ends

    def inputs(self, x: tf.Tensor, t: tf.Tensor) -> tf.Tensor:
        x = x * tf.constant(1.0 / self.scale, x.dtype)
        if self.ends is None:
            return x
        low, high = (tf.constant(end) for end in self.ends)
        return fake_quantized(x, low, high, 8)

    def kernel(self, w: tf.Tensor) -> tf.Tensor:
        return w * tf.constant(self.scale[:, None], w.dtype)


def is_quantized(denoiser: Denoiser) -> bool:
    """Whether a model's layers round what they read already."""
    plans = (plan_bits(network.plan) for network in networks_of(denoiser))
    return any(bits < 32 for plan in plans for _, bits in plan.values())


def prepared(
    denoiser: Denoiser,
    rows: Sequence[Rows],
    rounded: bool,
    float_layers: tuple[str, ...] | None = None,
) -> Denoiser:
    """The same model, its layers smoothed, and what they read rounded where asked.

    Args:
      denoiser: of networks in float32.
      rows: what each of its networks reads, for ranges.
      rounded: to 8 bits, on ranges of these rows.
      float_layers: patterns of paths that stay as they are; None: `float_patterns`.

    Raises:
      InputError: innermost denoisers that are no networks.
    """
    numbers = count()

    def change(inner: Denoiser) -> Denoiser:
        return _prepared(network_of(inner), rows[next(numbers)], rounded, float_layers)

    return denoiser.map_innermost(change)


def _prepared(
    denoise: NetworkDenoiser,
    rows: Rows,
    rounded: bool,
    float_layers: tuple[str, ...] | None,
) -> NetworkDenoiser:
    paths = rounded_layers(denoise, float_layers)
    seen = observe(denoise, rows, paths)
    return denoise.with_plan(
        {p: fit_layer(seen[p], kernel_of(denoise, p), rounded) for p in paths}
    )


def rounded_layers(
    denoise: NetworkDenoiser, float_layers: tuple[str, ...] | None = None
) -> list[str]:
    """Paths of the layers that become 8-bit, None: all but `float_patterns`."""
    kept = re.compile("|".join(float_layers or float_patterns(denoise)))
    return [path for path in layers_of(denoise.network) if not kept.fullmatch(path)]


def float_patterns(denoiser: Denoiser) -> tuple[str, ...]:
    """`FLOAT`, and the decoder's last convolution: patches are read from its sum."""
    paths = [p for network in networks_of(denoiser) for p in layers_of(network.network)]
    adding = [path for path in paths if re.fullmatch(r"up_0_\d+/conv_out", path)]
    if not adding:  # a network without a decoder
        return FLOAT
    return (*FLOAT, max(adding, key=lambda path: int(path[5:-9])))


def fit_layer(seen: InputStatistics, kernel: np.ndarray, rounded: bool) -> Smoothed:
    """The transform of a layer, from what it read and its kernel [..., in, out].

    Of several scales the one is taken whose two rounding errors, of what is read and of
    the kernel, add up to the least power in what the layer gives.
    """
    low, high = seen.low.min(axis=0), seen.high.max(axis=0)
    read = np.maximum(np.maximum(-low, high), 1e-5)
    w = kernel.reshape(-1, *kernel.shape[-2:])
    weighed = np.maximum(np.abs(w).max(axis=(0, 2)), 1e-5)
    power = np.square(seen.values).mean(axis=(0, 1))

    def error(scale: np.ndarray) -> float:
        span = max((high / scale).max(), 0.0) - min((low / scale).min(), 0.0)
        of_input = np.square(span / 255) * (np.square(w) * scale[:, None] ** 2).sum()
        steps = np.abs(w * scale[:, None]).max(axis=(0, 1)) / 127
        of_kernel = len(w) * np.square(steps).sum() * (power / scale**2).sum()
        return float(of_input + of_kernel)

    scales = [read**part / weighed ** (1.0 - part) for part in STRENGTHS[1:]]
    scale = min([np.ones_like(read), *scales], key=error)
    if not rounded:
        return Smoothed(scale)
    ends = float(min((low / scale).min(), 0.0)), float(max((high / scale).max(), 0.0))
    return Smoothed(scale, (ends[0], max(ends[1], ends[0] + 1e-6)))
