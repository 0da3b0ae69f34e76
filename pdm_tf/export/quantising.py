"""A .tflite file with 8-bit weights and 8-bit arithmetic, by ai-edge-quantizer."""

from collections.abc import Iterable
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from pdm_tf.config import Quantisation
from pdm_tf.errors import SettingError
from pdm_tf.export.litert import SIGNATURE
from pdm_tf.networks.sensitivity import SENSITIVE_LAYERS
from pdm_tf.serving.litert_network import INSTALL

Example = dict[str, np.ndarray]  # inputs of one call, by name


def operations_of(layers: Iterable[str]) -> str:
    """Layers by patterns of their paths -> the pattern of their operations' names.

    The converter keeps paths within names and numbers what is called more than once:
    up_0_1/skip becomes unet_1/up_0_1_1/skip_1/Conv2D. Only the network's own name comes
    before: the time layer of a block is not `time_1`.
    """
    paths = (r"(_\d+)?/".join(path.split("/")) for path in layers)
    return rf"(^|;)[^/;]*/({'|'.join(paths)})(_\d+)?([/;]|$)"


def quantise(
    path: str | Path,
    how: Quantisation,
    examples: Iterable[Example] = (),
    float_layers: Iterable[str] = SENSITIVE_LAYERS,
) -> bytes:
    """The file with convolutions and projections in int8, weights channel by channel.

    Args:
      path: a float32 .tflite file of `litert.convert`.
      how: dynamic_int8 measures the range of each layer's input as it comes;
        static_int8 fixes the ranges to those that the examples span.
      examples: inputs z, t and labels, of one picture each; for static_int8.
      float_layers: patterns of paths of the layers that stay float32.

    Raises:
      InputError: ai-edge-quantizer is not installed.
    """
    check_installed()
    from ai_edge_quantizer.quantizer import Quantizer

    recipe = _recipe(how, operations_of(float_layers))
    with redirect_stderr(StringIO()):  # bars and warnings about its own workings
        ranges = (
            read_ranges(path, recipe, examples) if recipe.need_calibration() else None
        )
        work = Quantizer(str(path), recipe.get_quantization_recipe())
        made = work.quantize(ranges, enable_progress_report=False).quantized_model
    assert made is not None
    return bytes(made)


def check_installed() -> None:
    """Raises InputError where ai-edge-quantizer is missing."""
    try:
        import ai_edge_quantizer  # noqa: F401
    except ImportError:
        remedy = f"needs ai-edge-quantizer, which is not installed; {INSTALL}"
        raise SettingError("quantize", None, remedy) from None


def _recipe(how: Quantisation, float_operations: str) -> Any:
    """Which operations are quantised, by kind and by name."""
    from ai_edge_quantizer.algorithm_manager import AlgorithmName
    from ai_edge_quantizer.qtyping import TFLOperationName as Operation
    from ai_edge_quantizer.recipe_manager import RecipeManager

    recipe, everything = RecipeManager(), ".*"
    for operation in (
        Operation.CONV_2D,
        Operation.CONV_2D_TRANSPOSE,
        Operation.FULLY_CONNECTED,
    ):
        if how == "static_int8":
            recipe.add_static_config(everything, operation, 8, 8)
        else:
            recipe.add_dynamic_config(everything, operation, 8)
        recipe.add_quantization_config(
            float_operations, operation, algorithm_key=AlgorithmName.NO_QUANTIZE
        )
    return recipe


def read_ranges(path: str | Path, recipe: Any, examples: Iterable[Example]) -> Any:
    """What every quantised tensor spans over all examples.

    Not the moving average that is the quantiser's default: noisy and nearly clean
    pictures span different ranges, and an average would clip some of them.
    """
    from ai_edge_quantizer.calibrator import Calibrator
    from ai_edge_quantizer.utils.qsv_utils import min_max_update

    watched = Calibrator(str(path), qsv_update_func=min_max_update)
    watched.calibrate({SIGNATURE: list(examples)}, recipe)
    return watched.get_model_qsvs()
