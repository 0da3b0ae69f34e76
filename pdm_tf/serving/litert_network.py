"""A .tflite file of `pdm_tf.export`, opened: the network's estimates, by LiteRT alone.

Needs NumPy and ai-edge-litert, no TensorFlow.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pdm_tf.errors import InputError, SettingError
from pdm_tf.serving.one_by_one import OneByOneNetwork, highest_inputs
from pdm_tf.storage.digests import is_whole
from pdm_tf.storage.files import checksum
from pdm_tf.storage.reading import read_json

REMEDY = "write it with python -m pdm_tf.export --format=litert"
INSTALL = "run pip install ai-edge-litert ai-edge-quantizer"


def report_of(path: str | Path) -> Path:
    """The report beside a file: what it holds, and how it compared with the model."""
    return Path(path).with_suffix(".json")


def load_runtime() -> Any:
    """The class of LiteRT that opens files; InputError where it is not installed."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        raise InputError(f"ai-edge-litert is not installed; {INSTALL}") from None
    return Interpreter


class LitertNetwork(OneByOneNetwork):
    """What a network estimates; the shapes of the file are those of one picture.

    Args:
      path: a .tflite file with one signature.
      threads: to compute with; 0: as many as there are processors.
      highest: see `OneByOneNetwork`.

    Raises:
      InputError: ai-edge-litert is not installed.
      ValueError: not such a file.
    """

    def __init__(
        self,
        path: str | Path,
        threads: int = 0,
        highest: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__(highest)
        runtime = load_runtime()(str(path), num_threads=threads or os.cpu_count())
        self._evaluate = runtime.get_signature_runner()

    def evaluate(self, row: Mapping[str, np.ndarray]) -> Mapping[str, Any]:
        return self._evaluate(**row)


def open_file(setting: str, path: str) -> tuple[LitertNetwork, dict[str, Any]]:
    """A file and what its report says of its model, its "digest" that of the file.

    Args:
      setting: the setting that names it, for messages.
      path: a .tflite file, its report beside it.

    Raises:
      InputError: no such file, no report, or one of another file; ai-edge-litert is
        not installed, or cannot read the file.
    """

    def refused(what: str) -> SettingError:
        return SettingError(setting, path, f"{what}; {REMEDY}")

    file, report = Path(path), report_of(path)
    if not file.is_file():
        raise refused("no such file")
    if not report.is_file():
        raise refused(
            f"its report {report.name} is missing, without which nothing is known of "
            "the model; keep both together"
        )
    try:
        said = read_json(report)
        if not is_whole(said):
            raise ValueError("changed")
        found = checksum(file)
        if said["sha256"] != found and (said.get("replaces") or {}).get("sha256"):
            said = said["replaces"]  # the command that wrote it was stopped before
        same, description = said["sha256"] == found, dict(said["model"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise refused(f"{report.name} is no report of it") from error
    if not same:
        raise refused(f"not the file that {report.name} is of")
    try:
        network = LitertNetwork(path, highest=highest_inputs(description))
        return network, {**description, "digest": said["sha256"]}
    except ValueError as error:
        raise refused("not a file that LiteRT reads") from error
