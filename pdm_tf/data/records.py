"""TFRecord files read in any order: scanned once, then every record is one seek away.

A record is its length (8 bytes), a checksum of the length (4), the data, a checksum of
the data (4). A scan reads the lengths alone. Its result is kept beside the files, so
that the next opening of a large data set takes no time.
"""

import contextlib
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pdm_tf.config import InputError
from pdm_tf.storage.files import write_npz

_HEADER = struct.Struct("<QI")
_FOOTER = 4  # bytes


@dataclass(frozen=True)
class Spans:
    """Stretches of bytes in files: the records of a data set, or pictures in a tar."""

    files: tuple[Path, ...]
    spans: np.ndarray  # int64 [N, 3]: file, offset, length

    def __len__(self) -> int:
        return len(self.spans)

    def read(self, index: int) -> bytes:
        """The bytes of a stretch; from any thread.

        Raises:
          OSError: the file is gone, or too short.
        """
        file, offset, length = self.spans[index].tolist()
        # Opened each time: a data set may have more files than a process may keep open.
        with self.files[file].open("rb", buffering=0) as opened:
            opened.seek(offset)
            data = opened.read(length)
        if len(data) != length:
            raise OSError(f"{self.files[file]} ends before byte {offset + length}")
        return data


def scan(path: Path) -> np.ndarray:
    """Offset and length of the data of every record: int64 [N, 2].

    Raises:
      InputError: not a whole TFRecord file, or a compressed one.
    """
    found: list[tuple[int, int]] = []
    at, end = 0, path.stat().st_size
    with path.open("rb", buffering=0) as file:
        while at < end:
            file.seek(at)
            header = file.read(_HEADER.size)
            length = _HEADER.unpack(header)[0] if len(header) == _HEADER.size else end
            found.append((at + _HEADER.size, length))
            at += _HEADER.size + length + _FOOTER
    if at != end:
        raise InputError(
            f"{path}: not a whole TFRecord file (record {len(found) - 1} would end "
            f"beyond the file, at byte {at}); prepare or copy the data set again"
        )
    return np.array(found, np.int64).reshape(-1, 2)


def index_records(
    files: Sequence[Path], counts: Iterable[int], kept: Path | None = None
) -> list[np.ndarray]:
    """The records of each file, from the index that an earlier call kept, or scanned.

    Args:
      files: the TFRecord files.
      counts: records that each must hold.
      kept: npz file of the index. It serves as long as the files have the sizes they
        had; a folder that cannot be written to is scanned every time.

    Returns:
      Offset and length of each record: int64 [N, 2] for each file.

    Raises:
      InputError: a file is missing, broken, or holds another number of records.
    """
    counts = list(counts)
    sizes = np.array([_size(file) for file in files], np.int64)
    index = _read_kept(kept, sizes) if kept else None
    if index is None:
        bar = tqdm(files, "finding records", unit=" files", delay=2, leave=False)
        index = [scan(file) for file in bar]
        if kept:
            _keep(kept, sizes, index)
    for file, count, records in zip(files, counts, index, strict=True):
        if len(records) != count:
            raise InputError(
                f"{file}: {len(records)} records and not {count}, as its data set "
                "says; prepare or copy the data set again"
            )
    return index


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError as error:
        raise InputError(
            f"{file}: cannot be read ({error.strerror}); prepare or copy the data set "
            "again"
        ) from error


def _read_kept(kept: Path, sizes: np.ndarray) -> list[np.ndarray] | None:
    with contextlib.suppress(Exception), np.load(kept) as known:
        if np.array_equal(known["sizes"], sizes):
            return np.split(known["records"], known["ends"])
    return None


def _keep(kept: Path, sizes: np.ndarray, index: list[np.ndarray]) -> None:
    records = np.concatenate([np.empty((0, 2), np.int64), *index])
    ends = np.cumsum([len(one) for one in index])[:-1]
    with contextlib.suppress(OSError):
        write_npz(kept, {"sizes": sizes, "records": records, "ends": ends})
