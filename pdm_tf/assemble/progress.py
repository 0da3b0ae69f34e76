"""What a method that trains nothing has found so far, should it be stopped."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from pdm_tf.errors import InputError
from pdm_tf.storage.arrays import read_arrays, write_arrays

PROGRESS = "progress"  # within the directory of the derived model


class Progress:
    """Arrays by name in a directory of a derivation, until that is complete.

    Args:
      directory: of the derived model.
      begin: called before the first arrays are written.
    """

    def __init__(self, directory: Path, begin: Callable[[], object]) -> None:
        self._directory, self._begin = directory / PROGRESS, begin

    def keep(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Writes arrays, whole or not at all."""
        if not self._directory.is_dir():
            self._begin()
        write_arrays(self._file(name), arrays)

    def kept(self, name: str) -> Mapping[str, np.ndarray] | None:
        """What was kept under a name; None for nothing, or a damaged file."""
        if not self._file(name).is_file():
            return None
        try:
            return read_arrays(self._file(name))
        except InputError:
            return None

    def clear(self) -> None:
        """Removes everything: the model is complete."""
        shutil.rmtree(self._directory, ignore_errors=True)

    def _file(self, name: str) -> Path:
        return self._directory / f"{name}.safetensors"
