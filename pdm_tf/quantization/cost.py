"""What quantised layers save: bits of weights, and operations times their bits."""

from collections.abc import Iterator
from math import prod
from typing import Any

import tensorflow as tf

from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.network import NetworkDenoiser
from pdm_tf.networks.constant_weights import input_specs
from pdm_tf.networks.transforms import (
    TIME,
    LayerPlan,
    LayerTransform,
    Stacked,
    layers_of,
    transformed,
)
from pdm_tf.quantization.cached_feature import CachedFeature, CachedTimes
from pdm_tf.quantization.layer import QuantizedLayer

FLOAT = 32


def compare_costs(base: Denoiser, derived: Denoiser) -> dict[str, tuple[float, float]]:
    """Rows of a report: title -> base, derived."""
    return {
        "bytes of the network, codes packed": (
            stored_bytes(base),
            stored_bytes(derived),
        ),
        "10⁶ multiplications × bits × bits": (
            bit_operations(base) / 1e6,
            bit_operations(derived) / 1e6,
        ),
    }


def stored_bytes(denoise: Denoiser) -> float:
    """Bytes of all that a model computes with: kernels that codes replace are left
    out; codes, scales, zeros, ranges, biases, norms and embeddings count."""
    total = 0
    for network in networks_of(denoise):
        replaced = _replaced(network)
        kept = [v for v in network.network.variables if id(v) not in replaced]
        total += sum(4 * prod(v.shape) for v in kept)
        for change in network.plan.values():
            total += sum(v.dtype.size * prod(v.shape) for v in _last(change))
    return total


def _replaced(network: NetworkDenoiser) -> set[int]:
    """Identities of variables of a network that its plan computes without."""
    layers, plan = layers_of(network.network), network.plan
    coded = [path for path, change in plan.items() if _weight_bits(change) < FLOAT]
    left = [path for path in layers if is_left_out(plan, path)]
    variables = [layers[path].kernel for path in coded]
    variables += [v for path in left for v in (layers[path].kernel, layers[path].bias)]
    return {id(variable) for variable in variables}


def is_left_out(plan: LayerPlan, path: str) -> bool:
    """Whether a layer is not computed at all, since tables stand in its place."""
    if path in ("time_1", "time_2"):
        return isinstance(_uppermost(plan.get(TIME)), CachedTimes)
    return isinstance(_uppermost(plan.get(path)), CachedFeature)


def _uppermost(change: Any) -> Any:
    return change.members[-1] if isinstance(change, Stacked) else change


def _last(change: LayerTransform) -> Iterator[tf.Variable]:
    """The variables that a layer is computed with: codes hold what was below them."""
    upper = _uppermost(change)
    alone = isinstance(upper, QuantizedLayer | CachedFeature)
    yield from (upper if alone else change).variables.values()


def bit_operations(denoise: Denoiser) -> float:
    """Multiplications of one evaluation of a picture, times bits of both factors.

    Those of convolutions and projections; attention's products are left out.
    """
    total = 0.0
    for network in networks_of(denoise):
        for path, count in multiplications(network).items():
            if is_left_out(network.plan, path):
                continue
            change = network.plan.get(path)
            total += count * _weight_bits(change) * _activation_bits(change)
            layer = _quantized(change)
            total += count * 16 * 16 * (layer.branch_share if layer else 0.0)
    return total


def multiplications(denoise: NetworkDenoiser) -> dict[str, int]:
    """Multiplications of each layer for one picture."""
    layers = layers_of(denoise.network)
    counters = {path: _Counter(layer) for path, layer in layers.items()}
    specs = input_specs(denoise.network)
    inputs = [tf.TensorSpec([1, *spec.shape[1:]], spec.dtype) for spec in specs]
    with transformed(counters):  # traced, not computed
        tf.function(lambda *given: denoise.network(*given)).get_concrete_function(
            *inputs
        )
    return {path: counter.count for path, counter in counters.items()}


class _Counter(LayerTransform):
    """Counts a layer's multiplications, from the shape that it gives."""

    def __init__(self, layer: Any) -> None:
        self.layer, self.count = layer, 0

    def output(self, y: tf.Tensor, x: tf.Tensor, t: tf.Tensor) -> tf.Tensor:
        positions = prod(n or 1 for n in y.shape[:-1])
        kernel = prod(self.layer.kernel.shape)
        doubled = y.shape.rank == 4 and y.shape[1] > x.shape[1]
        # Upsampling and convolution in one need 4 of the 9 products.
        self.count += positions * kernel * (4 if doubled else 9) // 9
        return y


def networks_of(denoise: Denoiser) -> list[NetworkDenoiser]:
    """The innermost networks of a composition, each once."""
    found: dict[int, NetworkDenoiser] = {}

    def look(inner: Denoiser) -> Denoiser:
        if isinstance(inner, NetworkDenoiser):
            found.setdefault(id(inner), inner)
        return inner

    denoise.map_innermost(look)
    return list(found.values())


def _quantized(change: LayerTransform | None) -> QuantizedLayer | None:
    if isinstance(change, Stacked):
        return _quantized(change.members[-1])
    return change if isinstance(change, QuantizedLayer) else None


def _weight_bits(change: LayerTransform | None) -> int:
    layer = _quantized(change)
    form = layer.spec.weights if layer and layer.shape else None
    return form.bits if form else FLOAT


def _activation_bits(change: LayerTransform | None) -> int:
    layer = _quantized(change)
    form = layer.spec.activations if layer else None
    return form.bits if form else FLOAT


def plan_bits(plan: LayerPlan) -> dict[str, tuple[int, int]]:
    """Bits of weights and of activations by layer."""
    return {p: (_weight_bits(c), _activation_bits(c)) for p, c in plan.items()}
