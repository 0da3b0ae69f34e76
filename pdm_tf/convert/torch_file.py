"""Tensors in files of `torch.save`, read without PyTorch and without running anything.

Such a file is a zip of a pickle and raw numbers. A pickle may name any function to be
called when it is read; here it may only name what describes a tensor, and whatever else
it names is refused before anything happens.
"""

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
import tensorflow as tf

from pdm_tf.errors import InputError, SettingError, printable
from pdm_tf.storage.zips import open_whole_zip

_LARGEST = 2**28  # bytes of the pickle, which only names tensors
_TYPES = {
    "DoubleStorage": np.float64,
    "FloatStorage": np.float32,
    "HalfStorage": np.float16,
    "BFloat16Storage": tf.bfloat16.as_numpy_dtype,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "ShortStorage": np.int16,
    "CharStorage": np.int8,
    "ByteStorage": np.uint8,
    "BoolStorage": np.bool_,
}


@dataclass(frozen=True)
class StoredTensor:
    """Where a tensor's numbers lie.

    Attributes:
      member: of the archive.
      dtype: of its numbers.
      length: numbers in the member.
      offset: of its first one.
      shape: of the tensor.
      strides: numbers from one entry to the next, of each axis.
    """

    member: str
    dtype: np.dtype
    length: int
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def last(self) -> int:
        """Of its numbers the last in the member."""
        steps = zip(self.shape, self.strides, strict=True)
        return self.offset + sum((size - 1) * stride for size, stride in steps)


class _Inert:
    """What a checkpoint holds beside tensors, such as its command line: only data."""


class TorchFile:
    """A checkpoint, its tensors read one at a time.

    Attributes:
      content: what was saved; in the place of each tensor a `StoredTensor`.

    Args:
      setting: the setting that names the file, for messages.
      path: the file.

    Raises:
      InputError: no such file, or its pickle names what is no tensor.
    """

    def __init__(self, setting: str, path: str | Path) -> None:
        self._setting, self._path = setting, path
        with self._opened() as archive:
            names = [n for n in archive.namelist() if n.endswith("/data.pkl")]
            if len(names) != 1:
                raise ValueError("no data.pkl in it")
            if archive.getinfo(names[0]).file_size > _LARGEST:
                raise ValueError("its data.pkl is larger than any list of tensors")
            root = names[0].removesuffix("data.pkl")
            with archive.open(names[0]) as file:
                self.content: Any = _Reader(file, root).load()

    def read(self, stored: StoredTensor) -> np.ndarray:
        """A tensor's numbers.

        Raises:
          InputError: they are not all there, or damaged.
        """
        with self._opened() as archive:
            info, size = archive.getinfo(stored.member), stored.dtype.itemsize
            held = info.file_size // size
            if min(stored.shape, default=1) == 0:
                return np.zeros(stored.shape, stored.dtype)
            if info.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"{stored.member} is not as torch.save writes it")
            if stored.last >= min(held, stored.length) or stored.offset < 0:
                raise ValueError(f"{stored.member} is shorter than its tensor")
            numbers = np.frombuffer(archive.read(info), stored.dtype, held)
        strides = tuple(size * stride for stride in stored.strides)
        view = np.lib.stride_tricks.as_strided(
            numbers[stored.offset :], stored.shape, strides, writeable=False
        )
        return np.array(view)

    @contextmanager
    def _opened(self) -> Iterator[zipfile.ZipFile]:
        try:
            with open_whole_zip(self._path) as archive:
                yield archive
        except InputError:
            raise
        except FileNotFoundError:
            raise SettingError(self._setting, self._path, "no such file") from None
        except Exception as error:  # a pickle may fail in any way
            reason = printable(" ".join(str(error).split()))[:120]
            raise SettingError(
                self._setting,
                self._path,
                f"not a sound file of torch.save ({reason}); download it again",
            ) from error


class _Reader(pickle.Unpickler):
    """Makes tensors' descriptions and plain data; calls nothing else."""

    def __init__(self, file: IO[bytes], root: str) -> None:
        super().__init__(file)
        self._root = root

    def find_class(self, module: str, name: str) -> Any:
        known = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _stored_tensor,
            ("torch._utils", "_rebuild_parameter"): lambda tensor, *_: tensor,
            ("torch", "Size"): tuple,
            ("argparse", "Namespace"): _Inert,
        }
        if (module, name) in known:
            return known[module, name]
        if module == "torch" and name in _TYPES:
            return np.dtype(_TYPES[name])
        raise InputError(
            f"the checkpoint names {printable(f'{module}.{name}')[:80]}, which is no "
            "tensor, and might run when it is read: refused; nothing of it was run. "
            "Convert its weights to safetensors where you trust it"
        )

    def persistent_load(self, pid: Any) -> tuple[str, np.dtype, int]:
        kind, dtype, key, _, length = pid
        if kind != "storage" or not isinstance(dtype, np.dtype):
            raise ValueError(f"a {kind} of {dtype}")
        return f"{self._root}data/{key}", dtype, int(length)


def _stored_tensor(
    storage: tuple[str, np.dtype, int],
    offset: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    *_: Any,
) -> StoredTensor:
    member, dtype, length = storage
    numbers = (*shape, *strides, offset)
    if any(type(n) is not int or n < 0 for n in numbers) or len(shape) != len(strides):
        raise ValueError(f"a tensor of {shape} with strides {strides}")
    if prod(shape) > max(length, 0):
        raise ValueError(f"a tensor of {shape} in {length} numbers")
    return StoredTensor(member, dtype, length, offset, tuple(shape), tuple(strides))
