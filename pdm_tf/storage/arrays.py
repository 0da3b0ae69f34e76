"""Named arrays in one file: safetensors, with a checksum of everything in it.

The format stores a header and plain numbers: nothing in it is ever executed, unlike
a pickle. https://github.com/huggingface/safetensors
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from pdm_tf.errors import InputError
from pdm_tf.storage.files import appearing, checksum

_DIGEST = "pdm_tf.sha256"  # of names, shapes, types, numbers and metadata
_TYPES = "pdm_tf.types"  # JSON: the types of arrays that are stored as float16
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
    said[_DIGEST] = _digest(whole, said)
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
    arrays, metadata = _read(path)
    types = json.loads(metadata.get(_TYPES, "{}"))
    return arrays | {name: arrays[name].astype(kind) for name, kind in types.items()}


def read_metadata(path: Path | str) -> dict[str, str]:
    """The text kept with the arrays of a file; errors as for `read_arrays`."""
    _, metadata = _read(path)
    return {k: v for k, v in metadata.items() if k not in (_DIGEST, _TYPES)}


def _read(path: Path | str) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Arrays and metadata as they are stored, all of it checked."""
    _readable(path)
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, TypeError, KeyError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(
            f"{path}: damaged or cut short ({reason}); {_REMEDY}"
        ) from None
    if _DIGEST in metadata and metadata[_DIGEST] != _digest(arrays, metadata):
        raise InputError(f"{path}: differs from its own checksum; {_REMEDY}")
    return arrays, metadata


def _readable(path: Path | str) -> bool:
    """True, or InputError where no file can be read."""
    try:
        with Path(path).open("rb"):
            return True
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); {_REMEDY}"
        ) from None


def _digest(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> str:
    sums = {
        name: (array.shape, array.dtype.str, hashlib.sha256(array.data).hexdigest())
        for name, array in arrays.items()
    }
    kept = {name: text for name, text in metadata.items() if name != _DIGEST}
    return checksum(json.dumps([sums, kept], sort_keys=True).encode())


def _halved(path: Path | str, name: str, array: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        half = array.astype(np.float16)
    if not np.array_equal(np.isfinite(half), np.isfinite(array)):
        raise InputError(f"{path}: {name} is too large for float16; store it whole")
    return half
