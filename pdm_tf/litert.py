"""A .tflite file of `pdm_tf.export`, opened: the network's estimates, by LiteRT alone.

Needs NumPy and ai-edge-litert, no TensorFlow; whoever samples with it stands above.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from pdm_tf.config import InputError

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


class LitertNetwork:
    """What a network estimates, one picture after the other.

    One picture at a time is what the file is made for: its shapes are fixed, and a
    picture cannot depend on its neighbours.

    Args:
      path: a .tflite file with one signature.
      threads: to compute with; 0: as many as there are processors.

    Raises:
      InputError: ai-edge-litert is not installed.
      ValueError: not such a file.
    """

    def __init__(self, path: str | Path, threads: int = 0) -> None:
        runtime = load_runtime()(str(path), num_threads=threads or os.cpu_count())
        self._ask = runtime.get_signature_runner()

    def __call__(
        self, z: np.ndarray, t: np.ndarray, labels: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Estimate and variance, both float32 [N, H, W, C].

        Args:
          z: noisy pictures, float32 [N, H, W, C].
          t: timesteps, int32 [N].
          labels: int32 [N]; not looked at without classes.
        """
        x, variance = np.empty_like(z), np.empty_like(z)
        for i in range(len(z)):
            row = slice(i, i + 1)
            told = self._ask(z=z[row], t=t[row], labels=labels[row])
            x[row], variance[row] = told["x"], told["variance"]
        return x, variance


def open_file(flag: str, path: str) -> tuple[LitertNetwork, dict[str, Any]]:
    """A file and what its report says of its model.

    Args:
      flag: the flag that names it, for messages.
      path: a .tflite file, its report beside it.

    Raises:
      InputError: no such file, no report, or one of another file; ai-edge-litert is
        not installed, or cannot read the file.
    """
    name, file, report = f"--{flag}={path}", Path(path), report_of(path)
    if not file.is_file():
        raise InputError(f"{name}: no such file; {REMEDY}")
    if not report.is_file():
        raise InputError(
            f"{name}: its report {report.name} is missing, without which nothing is "
            f"known of it; keep both together, or {REMEDY}"
        )
    try:
        told = json.loads(report.read_text())
        same = told["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
        model = told["model"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{name}: {report.name} is no report of it; {REMEDY}"
        ) from error
    if not same:
        raise InputError(f"{name}: not the file that {report.name} is of; {REMEDY}")
    try:
        return LitertNetwork(path), model
    except ValueError as error:
        raise InputError(f"{name}: not a file that LiteRT reads; {REMEDY}") from error
