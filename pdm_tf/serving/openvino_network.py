"""A folder of `pdm_tf.export --format=openvino`, opened: estimates, by OpenVINO alone.

Needs NumPy and openvino, no TensorFlow.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pdm_tf.errors import InputError, SettingError
from pdm_tf.serving.one_by_one import OneByOneNetwork, highest_inputs
from pdm_tf.storage.digests import digest_json, is_whole
from pdm_tf.storage.files import checksum
from pdm_tf.storage.reading import read_json

MODEL, WEIGHTS = "model.xml", "model.bin"
REMEDY = "write it with python -m pdm_tf.export --format=openvino"
INSTALL = "run pip install openvino, or pdm_tf[openvino] with it"
HINTS = {"float32": "f32", "bfloat16": "bf16", "int8": "f32", "int8_bfloat16": "bf16"}


def report_of(directory: str | Path) -> Path:
    """What the folder holds, and how it compared with the model."""
    return Path(directory) / "report.json"


def load_runtime() -> Any:
    """The module openvino; InputError where it is not installed."""
    os.environ.setdefault("OPENVINO_LOG_LEVEL", "0")
    try:
        import openvino
    except ImportError:
        raise InputError(f"openvino is not installed; {INSTALL}") from None
    return openvino


def checksums(directory: str | Path) -> dict[str, str]:
    """SHA-256 of each file that is computed with."""
    return {name: checksum(Path(directory) / name) for name in (MODEL, WEIGHTS)}


class OpenvinoNetwork(OneByOneNetwork):
    """What a network estimates; all processors work on each picture.

    Attributes:
      precision: what layers are computed in that are not int8: bfloat16 where it is
        asked for and the processor has it, or float32.
      lowered: what was asked for.

    Args:
      directory: holds model.xml and model.bin.
      precision: see `ExportConfig.precision`.
      threads: to compute with; 0: as OpenVINO finds best.
      highest: see `OneByOneNetwork`.

    Raises:
      InputError: openvino is not installed.
      RuntimeError: not such a folder.
    """

    def __init__(
        self,
        directory: str | Path,
        precision: str = "float32",
        threads: int = 0,
        highest: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__(highest)
        runtime = load_runtime()
        core = runtime.Core()
        names = {"f32": "float32", "bf16": "bfloat16"}
        hint = HINTS[precision]
        self.lowered = names[hint]
        if "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            hint = "f32"
        self.precision = names[hint]
        settings = {"INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "LATENCY"}
        if threads:
            settings["INFERENCE_NUM_THREADS"] = str(threads)
        model = core.compile_model(str(Path(directory) / MODEL), "CPU", settings)
        self._request = model.create_infer_request()
        self._inputs = {name for put in model.inputs for name in put.names}

    def evaluate(self, row: Mapping[str, np.ndarray]) -> Mapping[str, Any]:
        given = {k: np.ascontiguousarray(v) for k, v in row.items()}
        return self._request.infer(
            {k: v for k, v in given.items() if k in self._inputs}
        )


def open_directory(setting: str, path: str) -> tuple[OpenvinoNetwork, dict[str, Any]]:
    """A folder and what its report says of its model, its "digest" that of the files.

    Args:
      setting: the setting that names it, for messages.
      path: of the folder.

    Raises:
      InputError: no such folder, no report, or one of other files; openvino is not
        installed, or cannot read the model.
    """

    def refused(what: str) -> SettingError:
        return SettingError(setting, path, f"{what}; {REMEDY}")

    report = report_of(path)
    for file in (Path(path) / MODEL, Path(path) / WEIGHTS, report):
        if not file.is_file():
            raise refused(f"{file.name} is missing; keep all three files together")
    try:
        said = read_json(report)
        if not is_whole(said):
            raise ValueError("changed")
        same, description = said["sha256"] == checksums(path), dict(said["model"])
        precision = said["precision"]
        HINTS[precision]
    except (ValueError, KeyError, TypeError) as error:
        raise refused(f"{report.name} is no report of it") from error
    if not same:
        raise refused(f"{MODEL} or {WEIGHTS} is not the file that {report.name} is of")
    try:
        network = OpenvinoNetwork(path, precision, highest=highest_inputs(description))
        return network, {**description, "digest": digest_json(said["sha256"])}
    except RuntimeError as error:
        raise refused("not a model that OpenVINO reads") from error
