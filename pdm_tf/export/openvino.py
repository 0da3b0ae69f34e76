"""A denoiser as an OpenVINO model, read from the SavedModel of one of its calls."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from pdm_tf.acceleration.time_table import Tabled
from pdm_tf.config import ExportConfig, SamplingConfig
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.network import NetworkDenoiser
from pdm_tf.errors import SettingError
from pdm_tf.export.calibration import rows_for_export
from pdm_tf.export.int8 import is_quantized, prepared
from pdm_tf.export.litert import save
from pdm_tf.export.litert_file import check_stateless
from pdm_tf.export.openvino_int8 import round_weights
from pdm_tf.networks.layers import UpsamplingConv
from pdm_tf.networks.transforms import TIME, LayerTransform, layers_of, transformed
from pdm_tf.serving.openvino_network import MODEL, load_runtime


def convert(denoiser: Denoiser) -> Any:
    """An `openvino.Model` of one picture.

    Inputs: z float32 [1, H, W, C], t int32 [1], and with classes labels int32 [1].
    Outputs: x and variance, float32 [1, H, W, C].

    Read from the disk by the runtime itself: `openvino.convert_model` does no more and
    tells its makers of it.

    Raises:
      InputError: openvino is not installed.
    """
    runtime = load_runtime()
    if is_quantized(denoiser):  # kernels of codes are decoded ahead
        denoiser = denoiser.with_constant_weights()
    else:
        denoiser = denoiser.map_innermost(_with_known_upsampling)
    with tempfile.TemporaryDirectory() as directory:
        save(denoiser, directory)
        return runtime.Core().read_model(directory).clone()


class _Known(LayerTransform):
    """A kernel as it is now, a constant of the graph."""

    def __init__(self, kernel: tf.Tensor) -> None:
        self._kernel = kernel.numpy()

    def kernel(self, w: tf.Tensor) -> tf.Tensor:
        return tf.constant(self._kernel)


def _with_known_upsampling(denoiser: Denoiser) -> Denoiser:
    """Kernels of upsampling are turned when they are traced: OpenVINO folds no turn.

    All weights as constants would take twenty times their memory.
    """
    if not isinstance(denoiser, NetworkDenoiser):
        return denoiser
    plan, layers = denoiser.plan, layers_of(denoiser.network)
    known = {
        path: _Known(plan.get(path, LayerTransform()).kernel(layer.kernel.value))
        for path, layer in layers.items()
        if isinstance(layer, UpsamplingConv)
    }
    return denoiser.with_plan(known)


def with_time_embedding_looked_up(denoiser: Denoiser) -> Denoiser:
    """The embedding of each timestep as a row of a table, [T, C], in float32.

    In bfloat16 t itself would be rounded, to one of four beyond 512, before a sine is
    taken of it: by that alone noisy pictures lost 6 dB of an estimate.
    """
    if not isinstance(denoiser, NetworkDenoiser) or TIME in denoiser.plan:
        return denoiser
    if not hasattr(denoiser.network, "embed"):  # times from 0 to 1 are no rows
        return denoiser
    t = tf.range(denoiser.schedule.timesteps)
    classes = denoiser.num_classes
    labels = tf.fill(t.shape, classes) if classes else None
    with transformed(denoiser.plan):
        rows = np.asarray(denoiser.network.embed(t, labels).time_alone)
    return denoiser.with_plan({TIME: Tabled(rows, None)})


def check_openvino(config: ExportConfig) -> None:
    """Raises InputError for a missing package, or a folder that holds something else.

    Args:
      config: its `export_dir`, where given, is the folder.
    """
    load_runtime()
    directory = Path(config.export_dir)
    if not config.export_dir or not directory.exists():
        return
    if not (directory / MODEL).is_file() and any(directory.iterdir()):
        raise SettingError(
            "export_dir",
            directory,
            "holds something that is no OpenVINO model; choose a new or empty folder",
        )


def write_openvino(
    denoiser: Denoiser, directory: Path, sampling: SamplingConfig, config: ExportConfig
) -> None:
    """Fills a folder with model.xml and model.bin, in the precision that is asked.

    Weights that bfloat16 computes with, and what int8 leaves of them, are stored in 16
    bits. For int8 a quantised model keeps its own ranges; any other is calibrated.

    Raises:
      InputError: a model whose evaluations depend on each other.
    """
    check_stateless(denoiser, "openvino")
    eight = config.precision.startswith("int8")
    if eight and not is_quantized(denoiser):
        layers = config.float_layers or None
        rows = rows_for_export(denoiser, sampling, config)
        denoiser = prepared(denoiser, rows, rounded=True, float_layers=layers)
    if config.precision != "float32":
        denoiser = denoiser.map_innermost(with_time_embedding_looked_up)
    model = convert(denoiser)
    if eight and not round_weights(model):
        raise SettingError(
            "precision",
            config.precision,
            "nothing in this model can be computed in 8 bits",
        )
    half = config.precision != "float32"
    load_runtime().save_model(model, str(directory / MODEL), compress_to_fp16=half)
