"""Named arrays in one file: safetensors, with a checksum of everything in it.

The format stores a header and plain numbers: nothing in it is ever executed, unlike
a pickle. https://github.com/huggingface/safetensors
"""

import hashlib
import json
import math
import struct
import zlib
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
_PACKED = "pdm_tf.packed"  # JSON: types and shapes of arrays stored compressed
_DENSEST = 64  # times smaller at most: what says more is a trap for memory
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
    packed: bool = False,
) -> str:
    """Writes named arrays, whole or not at all.

    Args:
      path: where to, usually *.safetensors; missing folders are made.
      arrays: of bool, integers, float16, float32 or float64.
      metadata: text to keep with them.
      half: store float32 and float64 as float16, in half or a quarter of the bytes;
        they are read back in their own type, rounded.
      packed: compress the bytes of each array where that makes it smaller, a sixth
        of float16; read back here to the bit, by other programs as bytes.

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
    sums = {name: _sum(array) for name, array in whole.items()}
    if packed:
        dense = {name: _packed(array) for name, array in whole.items()}
        dense = {n: a for n, a in dense.items() if _is_worth(a, whole[n])}
        said[_PACKED] = json.dumps(
            {n: [whole[n].dtype.name, whole[n].shape] for n in dense}, sort_keys=True
        )
        whole |= dense
    said[_DIGEST] = _digest(sums, said)
    with appearing(path) as new:
        _write_ordered(new, save(whole, said))  # its save_file shuts others out
        return checksum(new)


def _write_ordered(path: Path, data: bytes) -> None:
    """Writes the library's bytes with metadata in order, where it lays them by chance.

    So the same content has the same bytes.
    """
    end = _LENGTH.size + _LENGTH.unpack_from(data)[0]
    header = json.loads(data[_LENGTH.size : end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text = text.ljust(-(-len(text) // 8) * 8)  # the format aligns what follows
    with path.open("wb") as file:
        file.write(_LENGTH.pack(len(text)))
        file.write(text)
        file.write(memoryview(data)[end:])


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
    return {k: v for k, v in said if k not in (_DIGEST, _TYPES, _PACKED)}


class ArrayFile:
    """The arrays of a safetensors file, read one at a time.

    So memory for the largest is enough; mapped into memory, as the library reads it,
    the whole file would count.

    Attributes:
      shapes: of all arrays, by name.
      stored: the types that they are stored in, by name.
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
            self.stored = {n: _KINDS[said["dtype"]] for n, said in header.items()}
            self.shapes = {n: tuple(said["shape"]) for n, said in header.items()}
            self._bytes = self._unpack()
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

    def _unpack(self) -> dict[str, int]:
        """Gives packed arrays their own types and shapes; bytes that they take here.

        Raises:
          ValueError: more than could have come from so few bytes.
        """
        taken = {}
        known = {kind.name: kind for kind in _KINDS.values()}
        packed = json.loads(self.metadata.get(_PACKED, "{}"))
        for name, (kind, shape) in packed.items():
            (taken[name],) = self.shapes[name]
            if not all(isinstance(n, int) and n > 0 for n in shape):
                raise ValueError(f"{name} has the shape {shape}")
            self.stored[name], self.shapes[name] = known[kind], tuple(shape)
            if math.prod(shape) * known[kind].itemsize > _DENSEST * taken[name]:
                raise ValueError(f"{name} is larger than its {taken[name]} bytes")
        return taken

    def _raw(self, name: str) -> np.ndarray:
        if name in self._bytes:
            dense = self._stored_in(name, (self._bytes[name],), np.dtype(np.uint8))
            try:
                return _unpacked(dense, self.shapes[name], self.stored[name])
            except (ValueError, zlib.error) as error:
                raise self._damaged(error) from None
        return self._stored_in(name, self.shapes[name], self.stored[name])

    def _stored_in(
        self, name: str, shape: tuple[int, ...], kind: np.dtype[Any]
    ) -> np.ndarray:
        array = np.empty(shape, kind)
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


def _packed(array: np.ndarray) -> np.ndarray:
    """Bytes compressed, those of like significance beside each other: uint8 [n]."""
    whole = array.reshape(-1).view(np.uint8).reshape(array.size, array.itemsize)
    return np.frombuffer(zlib.compress(whole.T.tobytes(), 9), np.uint8)


def _is_worth(packed: np.ndarray, array: np.ndarray) -> bool:
    return packed.nbytes < array.nbytes <= _DENSEST * packed.nbytes


def _unpacked(
    packed: np.ndarray, shape: tuple[int, ...], kind: np.dtype[Any]
) -> np.ndarray:
    """The array that `_packed` was given; never more memory than its shape takes."""
    size, stream = math.prod(shape) * kind.itemsize, zlib.decompressobj()
    found = stream.decompress(packed.data, size + 1)
    if len(found) != size or not stream.eof or stream.unused_data:
        raise ValueError(f"{len(found)} bytes for an array of {size}")
    whole = np.frombuffer(found, np.uint8).reshape(kind.itemsize, -1)
    return np.ascontiguousarray(whole.T).reshape(-1).view(kind).reshape(shape)


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
