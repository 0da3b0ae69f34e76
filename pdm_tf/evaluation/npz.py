"""Pictures and statistics in npz files, read without pickles and without haste.

Pictures are read a batch at a time out of the archive, so that 50,000 of 256x256
pixels need no 10 GB of memory.
"""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import numpy as np

from pdm_tf.errors import InputError, SettingError

PICTURES = "arr_0"
_DAMAGE = (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error)
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


@contextmanager
def _read(setting: str, path: str) -> Iterator[zipfile.ZipFile]:
    """The archive; whatever is wrong with it becomes one line."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except InputError:
        raise
    except _DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise SettingError(
            setting, path, f"not a sound npz file ({reason[:120]}); write it again"
        ) from error


def list_members(setting: str, path: str) -> set[str]:
    """Names of the arrays in the file."""
    with _read(setting, path) as archive:
        names = archive.namelist()
    return {name.removesuffix(".npy") for name in names if name.endswith(".npy")}


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"npy format {version}")
    shape, fortran, dtype = _HEADERS[version](file)
    return shape, fortran, dtype


def picture_shape(setting: str, path: str) -> tuple[int, ...]:
    """Shape (N, H, W, C) of the pictures in arr_0.

    Raises:
      InputError: no arr_0, or one that does not hold uint8 pictures.
    """
    if PICTURES not in list_members(setting, path):
        raise SettingError(
            setting,
            path,
            f"holds no {PICTURES}; save the pictures with numpy.savez(FILE, pictures), "
            "uint8 [N, H, W, C]",
        )
    with _read(setting, path) as archive, archive.open(f"{PICTURES}.npy") as file:
        shape, fortran, dtype = _header(file)
    wanted = "wanted are uint8 grey levels 0 to 255, [N, H, W, C]"
    if dtype != np.uint8:
        kind = "Python objects, which are not read" if dtype.hasobject else str(dtype)
        raise SettingError(setting, path, f"{PICTURES} holds {kind}; {wanted}")
    if len(shape) != 4 or shape[3] not in (1, 3) or fortran:
        order = " in Fortran order" if fortran else ""
        raise SettingError(
            setting,
            path,
            f"{PICTURES} has the shape {shape}{order}; {wanted}, C of 1 or 3",
        )
    return shape


def read_pictures(
    setting: str, path: str, count: int, batch_size: int
) -> Iterator[np.ndarray]:
    """The first `count` pictures, in order: uint8 [B, H, W, C]."""
    shape = picture_shape(setting, path)[1:]
    size = int(np.prod(shape))
    with _read(setting, path) as archive, archive.open(f"{PICTURES}.npy") as file:
        _header(file)
        for start in range(0, count, batch_size):
            rows = min(batch_size, count - start)
            data = file.read(rows * size)
            if len(data) < rows * size:
                raise EOFError(f"it ends after {start} pictures and a little")
            yield np.frombuffer(data, np.uint8).reshape(rows, *shape)


def read_arrays(setting: str, path: str, names: set[str]) -> dict[str, Any]:
    """Whole arrays of the file, those of `names` that it holds."""
    present = names & list_members(setting, path)
    with _read(setting, path), np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in present}
