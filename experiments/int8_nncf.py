"""OpenVINO's own int8: NNCF with its defaults, the baseline of `experiments.int8`."""

from pathlib import Path
from typing import Any

from pdm_tf.config import ExportConfig, SamplingConfig
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.export.calibration import examples_of, rows_for_export
from pdm_tf.export.openvino import convert
from pdm_tf.serving import OpenvinoNetwork
from pdm_tf.serving.openvino_network import MODEL, load_runtime

EXAMPLES = 300  # NNCF's own number


def quantize(model: Any, examples: list[dict[str, Any]], **settings: Any) -> Any:
    """An `openvino.Model` in 8 bits, as `nncf.quantize` makes it.

    Args:
      model: in float32.
      examples: inputs of one evaluation each.
      **settings: of `nncf.quantize`.
    """
    import logging

    import nncf

    nncf.set_log_level(logging.ERROR)
    names = {name for put in model.inputs for name in put.names}
    given = nncf.Dataset(examples, lambda e: {k: e[k] for k in names & e.keys()})
    return nncf.quantize(model, given, subset_size=len(examples), **settings)


class NncfNetwork(OpenvinoNetwork):
    """A model's network as NNCF rounds it, on the model's own trajectories.

    Attributes:
      size: bytes of its files.

    Args:
      denoiser: the model.
      sampling: how it samples.
      folder: where its files go.
    """

    def __init__(
        self, denoiser: Denoiser, sampling: SamplingConfig, folder: Path
    ) -> None:
        rows = rows_for_export(denoiser, sampling, ExportConfig())
        examples = examples_of(rows, denoiser.schedule, EXAMPLES)
        model = quantize(convert(denoiser), examples)
        load_runtime().save_model(model, str(folder / MODEL), compress_to_fp16=False)
        self.size = sum(path.stat().st_size for path in folder.glob("model.*"))
        super().__init__(folder)
