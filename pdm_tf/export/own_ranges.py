"""A .tflite file that computes what a quantised model says: on its own ranges.

Weights of its layers are stored as the codes that they are, in 4 bits where these fit,
and what layers read is rounded on the ranges that the method found. What LiteRT has no
arithmetic for stays float32: ranges by channel, branches, floating-point codes, factors
of attention. Ranges by timestep are measured at every call in their place.
"""

import re
from collections.abc import Iterable, Mapping
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from pdm_tf.config import Quantisation
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.network import NetworkDenoiser
from pdm_tf.errors import SettingError
from pdm_tf.export.quantising import (
    Example,
    check_installed,
    operations_of,
    read_ranges,
)
from pdm_tf.networks.layers import UpsamplingConv
from pdm_tf.networks.transforms import LayerTransform, layers_of
from pdm_tf.quantization.cost import networks_of
from pdm_tf.quantization.layer import QuantizedLayer

_READS = {  # kind of operation -> places of what it reads and of its weights
    "CONV_2D": (0, 1),
    "FULLY_CONNECTED": (0, 1),
    "TRANSPOSE_CONV": (2, 1),
}
WIDEST = {4: 7, 8: 127}  # bits of a stored code -> the largest that has a negative


class Held(NamedTuple):
    """A layer as the file holds it.

    Attributes:
      bits: of a stored weight, 4 or 8.
      scale: of the codes of each output channel, float32 [out]; None: the file's own,
        since codes do not fit or both sides of a seam have theirs.
      ends: least and largest number that it reads; None: measured at every call.
    """

    bits: int
    scale: np.ndarray | None
    ends: tuple[float, float] | None


class Unrounded(LayerTransform):
    """A quantised layer whose input is rounded by the runtime, and not in the graph."""

    def __init__(self, layer: LayerTransform) -> None:
        self.layer = layer

    def kernel(self, w: tf.Tensor) -> tf.Tensor:
        return self.layer.kernel(w)

    def output(self, y: tf.Tensor, x: tf.Tensor, t: tf.Tensor) -> tf.Tensor:
        return self.layer.output(y, x, t)


def held_layers(
    denoiser: Denoiser, how: Quantisation, float_layers: Iterable[str] = ()
) -> dict[str, Held]:
    """What LiteRT can compute of a quantised model, by path.

    Args:
      denoiser: of quantised networks.
      how: with dynamic_int8 all ranges are measured at every call.
      float_layers: patterns of paths that stay in float32 arithmetic.
    """
    found: dict[str, Held] = {}
    kept = re.compile("|".join(float_layers) or "(?!)")
    for network in networks_of(denoiser):
        layers = layers_of(network.network)
        for path, change in network.plan.items():
            own = _quantized(change)
            if own is None or not own.shape or own.spec.weights is None:
                continue
            if kept.fullmatch(path):
                continue
            narrow = not isinstance(layers[path], UpsamplingConv)
            held = _held(own, narrow, how)
            if held is not None:
                found[path] = held
    return found


def _quantized(change: LayerTransform) -> QuantizedLayer | None:
    """The plain quantised layer of a transform; other kinds compute more than that."""
    layer = getattr(change, "members", (change,))[-1]
    return layer if type(layer) is QuantizedLayer else None


def _held(layer: QuantizedLayer, narrow: bool, how: Quantisation) -> Held | None:
    weights, read = layer.spec.weights, layer.spec.activations
    if read is None or layer.input_groups > layer.weight_groups:
        return None  # LiteRT reads 8 bits, on one range
    assert weights is not None
    few = weights.scheme == "symmetric" and weights.bits <= 4
    bits = 4 if few and narrow and layer.weight_groups == 1 else 8
    fits = weights.scheme == "symmetric" or weights.bits < 8
    scale = layer.scale.numpy()[0] if fits and layer.weight_groups == 1 else None
    plain = layer.step_of is None and layer.input_groups == 1 and read.bits <= 8
    if how == "dynamic_int8" or not plain:
        return Held(bits, scale, None)
    return Held(bits, scale, (float(layer.low[0, 0]), float(layer.high[0, 0])))


def unrounded(denoiser: Denoiser) -> Denoiser:
    """The same model on its codes, what its layers read left to the runtime.

    A rounding within the graph would be read as that of the layer behind it.
    """

    def change(inner: Denoiser) -> Denoiser:
        assert isinstance(inner, NetworkDenoiser)
        plan = {
            path: Unrounded(one) if _quantized(one) else one
            for path, one in inner.plan.items()
        }
        given = inner.network, inner.schedule, inner.prediction, inner.labels
        return NetworkDenoiser(*given, inner.apart, plan)

    return denoiser.map_innermost(change)


def quantise_as_held(
    path: Path, held: Mapping[str, Held], examples: Iterable[Example] = ()
) -> bytes:
    """A file whose layers compute as they are held.

    Args:
      path: a float32 .tflite file of `litert.convert`.
      held: by path of the layer.
      examples: inputs of the network; what layers with fixed ranges give is rounded
        too, on ranges of these.

    Raises:
      InputError: ai-edge-quantizer is not installed, or nothing is held.
    """
    check_installed()
    if not held:
        remedy = "has no layer that LiteRT computes in 8 bits; export it to openvino"
        raise SettingError("quantize", None, remedy)
    from ai_edge_quantizer.quantizer import Quantizer

    places = _places(path, held)
    recipe, own = _recipe(places), _own(places)
    with redirect_stderr(StringIO()):  # bars and warnings about its own workings
        found = read_ranges(path, recipe, examples) if recipe.need_calibration() else {}
        work = Quantizer(str(path), recipe.get_quantization_recipe())
        made = work.quantize(found | own, enable_progress_report=False).quantized_model
    assert made is not None
    return bytes(made)


class _Place(NamedTuple):
    """An operation of a file that a layer is held by: names and shapes of tensors."""

    layer: Held
    made: str
    read: tuple[str, int]  # and its axes
    weights: tuple[str, int]


def _places(path: Path, held: Mapping[str, Held]) -> list[_Place]:
    from ai_edge_litert.interpreter import Interpreter

    runtime = Interpreter(str(path))
    tensors = {d["index"]: d for d in runtime.get_tensor_details()}
    found = []
    for operation in runtime._get_ops_details():
        if (reads := _READS.get(operation["op_name"])) is None:
            continue
        read, weights = (tensors[operation["inputs"][i]] for i in reads)
        made = tensors[operation["outputs"][0]]["name"]
        # Of attention's last projection the weights alone are named after the layer.
        names = f"{made};{weights['name']}"
        fits = [
            layer for at, layer in held.items() if re.search(operations_of([at]), names)
        ]
        for layer in fits[-1:]:
            pair = ((t["name"], len(t["shape"])) for t in (read, weights))
            found.append(_Place(layer, made, *pair))
    return found


def _recipe(places: Iterable[_Place]) -> Any:
    from ai_edge_quantizer.qtyping import TFLOperationName as Operation
    from ai_edge_quantizer.recipe_manager import RecipeManager

    recipe = RecipeManager()
    kinds = (
        Operation.CONV_2D,
        Operation.FULLY_CONNECTED,
        Operation.CONV_2D_TRANSPOSE,
    )
    for layer, made, *_ in places:
        for kind in kinds if layer.bits == 8 else kinds[:2]:
            if layer.ends:
                recipe.add_static_config(f"^{re.escape(made)}", kind, 8, layer.bits)
            else:
                recipe.add_dynamic_config(f"^{re.escape(made)}", kind, layer.bits)
    return recipe


def _own(places: Iterable[_Place]) -> dict[str, dict[str, np.ndarray]]:
    """What tensors of a file span by the layers' own account, by name."""
    found = {}
    for layer, _, (read, rank), (weights, axes) in places:
        if layer.ends:
            low, high = (np.full([1] * rank, end, np.float32) for end in layer.ends)
            found[read] = {"min": low, "max": high}
        if layer.scale is not None:
            most = layer.scale.reshape([-1] + [1] * (axes - 1)) * WIDEST[layer.bits]
            found[weights] = {"min": -most, "max": most}
    return found
