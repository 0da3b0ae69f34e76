"""Digests of what is computed with: arrays by name, and values that JSON can hold.

They tell whether two things are the same whatever they are called, wherever they lie,
in whatever order they came and however often they were written.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pdm_tf.storage.files import checksum


def digest_arrays(arrays: Mapping[str, Any]) -> str:
    """SHA-256 of named arrays: names, types, shapes and numbers, in no order.

    Anything that NumPy makes an array of is one, made one at a time. The numbers count
    as they are on a little-endian machine.
    """
    found = hashlib.sha256()
    for name in sorted(arrays):
        array = np.asarray(arrays[name], order="C")
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        head = [name, list(array.shape), array.dtype.str]
        found.update(json.dumps(head).encode() + b"\n")
        found.update(array.reshape(-1).view(np.uint8).data)
    return found.hexdigest()


def digest_json(value: Any) -> str:
    """SHA-256 of a value of text, numbers, lists and dicts; their order is nothing.

    Raises:
      ValueError: numbers that JSON does not have, which are NaN and infinity.
    """
    text = json.dumps(value, sort_keys=True, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def sealed(value: Mapping[str, Any], *but: str) -> dict[str, Any]:
    """A dict for JSON with a digest of itself under "seal"; see `is_whole`.

    Args:
      value: plain data.
      *but: keys that may change all the same.
    """
    plain = json.loads(json.dumps({k: v for k, v in value.items() if k != "seal"}))
    return {**value, "seal": _seal(plain, but)}


def is_whole(value: Mapping[str, Any], *but: str) -> bool:
    """Whether what `sealed` made is as it was; what has no seal is taken to be."""
    return "seal" not in value or value["seal"] == _seal(value, but)


def _seal(value: Mapping[str, Any], but: tuple[str, ...]) -> str:
    return digest_json({k: v for k, v in value.items() if k not in ("seal", *but)})


def digest_files(directory: Path | str) -> str:
    """SHA-256 of all files within a directory: their names in it and their content."""
    root = Path(directory)
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return digest_json({str(f.relative_to(root)): checksum(f) for f in files})
