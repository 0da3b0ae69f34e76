"""A folder of `pdm_tf.export --format=openvino`, opened: estimates, by OpenVINO alone.

Needs NumPy and openvino, no TensorFlow.
"""

import os
from collections.abc import Mapping
from functools import partial
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
AT_ONCE = (64, 16, 4)  # pictures that are computed at once
PIXELS = 2**16  # of these, at most
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
    """What a network estimates; all processors work on a picture that is alone.

    Of many small pictures 64, 16 or 4 are computed at once, each processor its share,
    in half the time or less, where that gives them the same bits: the first of them
    are computed both ways, and on a processor where they differ all are computed one
    by one.

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
        model = core.read_model(str(Path(directory) / MODEL))
        self._open = partial(_requests, core, model, settings)
        self._processors = threads or core.get_property("CPU", "RANGE_FOR_STREAMS")[1]
        (alone,) = self._open(1, 1)
        # By the number of pictures: requests that compute a share of them each.
        self._requests: dict[int, list[Any]] = {1: [alone]}
        self._inputs = {name for put in model.inputs for name in put.names}
        self._outputs = {name for put in model.outputs for name in put.names}

    def evaluate(self, rows: Mapping[str, np.ndarray]) -> Mapping[str, Any]:
        given = {
            k: np.ascontiguousarray(v) for k, v in rows.items() if k in self._inputs
        }
        count = len(given["z"])
        requests = self._requests[count]
        share = count // len(requests)
        for i, request in enumerate(requests):
            own = slice(i * share, (i + 1) * share)
            request.start_async({k: v[own] for k, v in given.items()})
        for request in requests:
            request.wait()
        found = [request.results for request in requests]
        return {k: np.concatenate([f[k] for f in found]) for k in self._outputs}

    def at_once(self, given: Mapping[str, np.ndarray]) -> list[int]:
        left, height, width, _ = given["z"].shape
        most, found = PIXELS // (height * width), []
        for count in AT_ONCE:  # each size takes a moment to open: only what is used
            if count <= min(left, most) and self._is_same(count, given):
                found.append(count)
                left %= count
        return found

    def _is_same(self, count: int, given: Mapping[str, np.ndarray]) -> bool:
        """Whether so many at once have the bits that each has alone; tried once."""
        if count not in self._requests:
            first = {k: v[:count] for k, v in given.items()}
            self._requests[count] = self._open_group(first)
        return bool(self._requests[count])

    def _open_group(self, first: Mapping[str, np.ndarray]) -> list[Any]:
        """Requests for as many pictures as given; none where they give other bits."""
        count = len(first["z"])
        parts = max(n for n in range(1, self._processors + 1) if count % n == 0)
        try:
            self._requests[count] = self._open(count // parts, parts)
            together = self.evaluate(first)["x"]
        except RuntimeError:  # the graph has the number of pictures in it
            return []
        for i, x in enumerate(together):
            alone = self.evaluate({k: v[i : i + 1] for k, v in first.items()})
            if not np.array_equal(alone["x"][0], x):
                return []
        return self._requests[count]


def _requests(
    core: Any, model: Any, settings: Mapping[str, str], count: int, parts: int
) -> list[Any]:
    """What computes a model, `parts` times so many pictures at the same time."""
    if count > 1:
        model = model.clone()
        shapes = {put: put.partial_shape for put in model.inputs}
        for shape in shapes.values():
            shape[0] = count
        model.reshape(shapes)
    streams = {"NUM_STREAMS": str(parts)} if parts > 1 else {}
    compiled = core.compile_model(model, "CPU", {**settings, **streams})
    return [compiled.create_infer_request() for _ in range(parts)]


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
