"""A denoiser as a .tflite file in float32 or 8 bits."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from pdm_tf.config import ExportConfig, SamplingConfig
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.errors import SettingError
from pdm_tf.export.calibration import examples_of, rows_for_export
from pdm_tf.export.int8 import is_quantized, prepared
from pdm_tf.export.litert import convert
from pdm_tf.export.own_ranges import held_layers, quantise_as_held, unrounded
from pdm_tf.export.quantising import Example, check_installed, quantise
from pdm_tf.networks.sensitivity import SENSITIVE_LAYERS
from pdm_tf.serving.description import Lineage, describe, schedule_settings
from pdm_tf.serving.litert_network import load_runtime
from pdm_tf.storage.files import write_bytes

# What stays float32 with fixed ranges, besides: 8-bit layers of LiteRT round what they
# give as well as what they read, each on one range.
EXAMPLES = 800  # evaluations that its ranges are read from, each in float32
STATIC_FLOAT = (r"(down|up)_0_\d+/.*", r"up_1_sample/conv")


def check_packages(config: ExportConfig) -> None:
    """Raises InputError for a package that is needed and not installed."""
    load_runtime()
    if config.quantize != "none":
        check_installed()


def describe_network(
    denoiser: Denoiser,
    sampling: SamplingConfig,
    record: str,
    lineage: Lineage = (),
    class_names: Sequence[str] = (),
    sealed: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What the report of an exported network says of its model, see `describe`.

    Raises:
      InputError: a noise schedule that cannot be described.
    """
    schedule = {"schedule": schedule_settings(denoiser.schedule)}
    return describe(denoiser, sampling, record, lineage, class_names, sealed) | schedule


def write_litert(
    denoiser: Denoiser,
    path: Path,
    sampling: SamplingConfig,
    config: ExportConfig,
) -> None:
    """Writes the file, quantised as asked.

    Raises:
      InputError: a model whose evaluations depend on each other.
    """
    check_stateless(denoiser, "litert")
    if is_quantized(denoiser):
        return _write_own(denoiser, path, sampling, config)
    examples: Sequence[Example] = ()
    if config.quantize == "static_int8":
        rows = rows_for_export(denoiser, sampling, config)
        examples = examples_of(rows, denoiser.schedule, EXAMPLES)
        own = config.float_layers or None
        denoiser = prepared(denoiser, rows, rounded=False, float_layers=own)
    convert(denoiser, path)
    if config.quantize != "none":
        layers = _float_layers(config)
        write_bytes(path, quantise(path, config.quantize, examples, layers))


def _float_layers(config: ExportConfig) -> tuple[str, ...]:
    """Patterns of the layers that stay in float32 arithmetic."""
    if config.float_layers:
        return tuple(config.float_layers)
    static = config.quantize == "static_int8"
    return (*SENSITIVE_LAYERS, *(STATIC_FLOAT if static else ()))


def _write_own(
    denoiser: Denoiser, path: Path, sampling: SamplingConfig, config: ExportConfig
) -> None:
    """A quantised model on its own ranges; what its layers give has none of its own."""
    if config.quantize == "none":
        return convert(denoiser.with_constant_weights(), path)  # codes decoded ahead
    held = held_layers(denoiser, config.quantize, _float_layers(config))
    denoiser = unrounded(denoiser).with_constant_weights()
    examples: Sequence[Example] = ()
    if any(one.ends for one in held.values()):
        rows = rows_for_export(denoiser, sampling, config)
        examples = examples_of(rows, denoiser.schedule, EXAMPLES)
    convert(denoiser, path)
    write_bytes(path, quantise_as_held(path, held, examples))


def check_stateless(denoiser: Denoiser, form: str) -> None:
    """Raises InputError for a denoiser with a carry, which other runtimes drop."""
    z = tf.zeros([1, *denoiser.image_shape])
    if tf.nest.flatten(denoiser.init_carry(z)):
        raise SettingError(
            "format",
            form,
            "holds one evaluation, and this model carries state from step to step; "
            "export it with `format=savedmodel`",
        )
