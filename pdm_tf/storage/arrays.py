"""Named arrays in one file: safetensors, with a checksum of everything in it.

The format stores a header and plain numbers: nothing in it is ever executed, unlike
a pickle. https://github.com/huggingface/safetensors
"""

import hashlib
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from pdm_tf.errors import InputError
from pdm_tf.storage.files import appearing, checksum
from pdm_tf.storage.reading import open_regular

_DIGEST = "pdm_tf.sha256"  # of names, shapes, types, numbers and metadata
_TYPES = "pdm_tf.types"  # JSON: the types of arrays that are stored as float16
_LENGTH = struct.Struct("<Q")  # of the header, in front of it
_KINDS: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U64": np.dtype("<u8"),
    "U32": np.dtype("<u4"),
    "U16": np.dtype("<u2"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
_WIDE = {"float32": np.float32, "float64": np.float64}  # what is halved
_REMEDY = "copy or download it again, or write it anew"


def write_arrays(
    path: Path | str,
    arrays: Mapping[str, np.ndarray],
    metadata: Mapping[str, str] | None = None,
    half: bool = False,
) -> str:
    """Writes named arrays, whole or not at all.

    Args:
      path: where to, usually *.safetensors; missing folders are made.
      arrays: of bool, integers, float16, float32 or float64.
      metadata: text to keep with them.
      half: store float32 and float64 as float16, in half or a quarter of the bytes;
        they are read back in their own type, rounded.

    Returns:
      SHA-256 of the file.

    Raises:
      InputError: a number that is too large for float16.
      OSError: the disk is full, or refuses.
    """
    whole = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    said = dict(metadata or {})
    if half:
        wide = {
            n: a.dtype.name
            for n, a in whole.items()
            if a.dtype in (np.float32, np.float64)
        }
        whole |= {name: _halved(path, name, whole[name]) for name in wide}
        said[_TYPES] = json.dumps(wide, sort_keys=True)
    said[_DIGEST] = _digest({name: _sum(array) for name, array in whole.items()}, said)
    with appearing(path) as new:
        new.write_bytes(save(whole, said))  # its save_file shuts others out
        return checksum(new)


def read_arrays(path: Path | str, sha256: str = "") -> dict[str, np.ndarray]:
    """Reads what `write_arrays` wrote, or any safetensors file.

    Args:
      path: the file.
      sha256: what its checksum must be; empty: only its own is looked at.

    Raises:
      InputError: not there, damaged, cut short, or another file than expected.
    """
    if sha256 and _readable(path) and checksum(Path(path)) != sha256.lower():
        raise InputError(f"{path}: its SHA-256 is not {sha256[:12]}…; {_REMEDY}")
    file = ArrayFile(path)
    file.check()
    return {name: file.read(name) for name in file.shapes}


def read_metadata(path: Path | str) -> dict[str, str]:
    """The text kept with the arrays of a file; errors as for `read_arrays`."""
    file = ArrayFile(path)
    file.check()
    said = file.metadata.items()
    return {k: v for k, v in said if k not in (_DIGEST, _TYPES)}


class ArrayFile:
    """The arrays of a safetensors file, read one at a time.

    So memory for the largest is enough; mapped into memory, as the library reads it,
    the whole file would count.

    Attributes:
      shapes: of all arrays, by name.
      metadata: text kept with them.

    Args:
      path: the file.

    Raises:
      InputError: not there, damaged or cut short.
    """

    def __init__(self, path: Path | str) -> None:
        _readable(path)
        self._path = path
        try:
            with safe_open(path, framework="np") as file:  # checks all of the header
                self.metadata: dict[str, str] = file.metadata() or {}
            with open_regular(path) as raw:
                (length,) = _LENGTH.unpack(raw.read(_LENGTH.size))
                header = json.loads(raw.read(length))
            header.pop("__metadata__", None)
            self._begin = _LENGTH.size + length
            self._entries: dict[str, Any] = header
            self._stored = {n: _KINDS[said["dtype"]] for n, said in header.items()}
            types = json.loads(self.metadata.get(_TYPES, "{}"))
            self._types = {name: np.dtype(_WIDE[kind]) for name, kind in types.items()}
        except (
            AttributeError,
            RecursionError,
            SafetensorError,
            OSError,
            ValueError,
            TypeError,
            KeyError,
        ) as error:
            raise self._damaged(error) from None
        self.shapes = {name: tuple(said["shape"]) for name, said in header.items()}

    def check(self) -> None:
        """Raises InputError unless all is as it was written, where the file says so."""
        if _DIGEST not in self.metadata:
            return
        sums = {name: _sum(self._raw(name)) for name in self.shapes}
        if self.metadata[_DIGEST] != _digest(sums, self.metadata):
            raise InputError(f"{self._path}: differs from its own checksum; {_REMEDY}")

    def read(self, name: str) -> np.ndarray:
        """An array in its own type."""
        array = self._raw(name)
        return array.astype(self._types.get(name, array.dtype), copy=False)

    def _raw(self, name: str) -> np.ndarray:
        array = np.empty(self.shapes[name], self._stored[name])
        try:
            with Path(self._path).open("rb", buffering=0) as file:
                file.seek(self._begin + self._entries[name]["data_offsets"][0])
                _fill(file, array.reshape(-1).view(np.uint8).data)
        except (OSError, EOFError) as error:
            raise self._damaged(error) from None
        return array

    def _damaged(self, error: Exception) -> InputError:
        reason = " ".join(str(error).split())[:120]
        return InputError(f"{self._path}: damaged or cut short ({reason}); {_REMEDY}")


def _fill(file: IO[bytes], memory: memoryview) -> None:
    """Reads exactly as many bytes."""
    done = 0
    while done < len(memory):
        count = file.readinto(memory[done:])  # type: ignore[attr-defined]
        if not count:
            raise EOFError("its end is missing")
        done += count


def _readable(path: Path | str) -> bool:
    """True, or InputError where no file can be read."""
    try:
        with open_regular(path):
            return True
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); {_REMEDY}"
        ) from None


def _sum(array: np.ndarray) -> list[Any]:
    """What a digest knows of an array."""
    sum_ = hashlib.sha256(array.data).hexdigest()
    return [array.shape, array.dtype.str, sum_]


def _digest(sums: Mapping[str, list[Any]], metadata: Mapping[str, str]) -> str:
    kept = {name: text for name, text in metadata.items() if name != _DIGEST}
    return checksum(json.dumps([dict(sums), kept], sort_keys=True).encode())


def _halved(path: Path | str, name: str, array: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        half = array.astype(np.float16)
    if not np.array_equal(np.isfinite(half), np.isfinite(array)):
        raise InputError(f"{path}: {name} is too large for float16; store it whole")
    return half
