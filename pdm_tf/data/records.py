"""TFRecord files read in any order: scanned once, then every record is one seek away.

A record is its length (8 bytes), a checksum of the length (4), the data, a checksum of
the data (4). A scan reads the lengths and their checksums alone. Its result is kept
beside the files, so that the next opening of a large data set takes no time. The data's
checksum is compared whenever a record is read.
"""

import contextlib
import os
import struct
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from pdm_tf.config import InputError
from pdm_tf.progress import progress
from pdm_tf.storage.files import write_npz
from pdm_tf.storage.reading import open_regular

_HEADER = struct.Struct("<QI")
_FOOTER = 4  # bytes
_LARGEST = 2**29  # bytes of a record that is read
_AROUND = _HEADER.size + _FOOTER
_SUM = struct.Struct("<I")


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
        with open_regular(self.files[file]) as opened:
            if not 0 <= offset <= offset + length <= os.fstat(opened.fileno()).st_size:
                raise OSError(f"{self.files[file]} ends before byte {offset + length}")
            opened.seek(offset)
            data = opened.read(length)
        return data


@dataclass(frozen=True)
class Records(Spans):
    """The same of TFRecord files, whose checksums are compared."""

    def read(self, index: int) -> bytes:
        """The data of a record.

        Raises:
          OSError: the file is gone, too short, or was changed.
        """
        file, offset, length = self.spans[index].tolist()
        if length > _LARGEST:
            raise OSError(f"{self.files[file]}: record {index} has {length:,} bytes")
        around = np.array([[file, offset - _HEADER.size, length + _AROUND]])
        stored = Spans(self.files, around).read(0)
        said, _ = _HEADER.unpack_from(stored)
        data, (data_sum,) = stored[_HEADER.size : -_FOOTER], _SUM.unpack(stored[-4:])
        crc = checksums()
        if said != length or (crc and masked(crc(data)) != data_sum):
            raise OSError(
                f"{self.files[file]}: record {index} differs from its checksum"
            )
        return data


@cache
def checksums() -> Callable[[bytes], int] | None:
    """CRC-32C; None, and a line on stderr, where its package is missing."""
    try:
        from google_crc32c import value
    except ImportError:
        print(
            "google-crc32c is not installed, so that checksums of records are not "
            "compared; pip install google-crc32c",
            file=sys.stderr,
        )
        return None
    return value


def masked(crc: int) -> int:
    """A checksum as TFRecord files store it, so that they may hold each other."""
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def scan(path: Path) -> np.ndarray:
    """Offset and length of the data of every record: int64 [N, 2].

    Raises:
      InputError: not a whole TFRecord file, or a compressed one.
    """
    found: list[tuple[int, int]] = []
    at, end, crc = 0, path.stat().st_size, checksums()
    with path.open("rb", buffering=0) as file:
        while at < end:
            file.seek(at)
            header = file.read(_HEADER.size)
            length, stored = end, None
            if len(header) == _HEADER.size:
                length, stored = _HEADER.unpack(header)
            if crc and stored not in (None, masked(crc(header[:8]))):
                raise InputError(
                    f"{path}: not a whole TFRecord file (record {len(found)}, at byte "
                    f"{at}, differs from its checksum); prepare or copy the data set "
                    "again"
                )
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
        had, and records where it says; a folder that cannot be written to is scanned
        every time.

    Returns:
      Offset and length of each record: int64 [N, 2] for each file.

    Raises:
      InputError: a file is missing, broken, or holds another number of records.
    """
    counts = list(counts)
    sizes = np.array([_size(file) for file in files], np.int64)
    index = _read_kept(kept, sizes, sum(counts)) if kept else None
    if index and not all(map(_begins_and_ends, files, index)):
        index = None
    if index is None:
        bar = progress(files, "finding records", "files", delay=2)
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


def _begins_and_ends(file: Path, records: np.ndarray) -> bool:
    """Whether the first and the last record of a file are where an index says."""
    ends = Records(
        (file,), np.insert(records[[0, -1]] if len(records) else records, 0, 0, 1)
    )
    with contextlib.suppress(OSError, struct.error):
        return all(ends.read(index) is not None for index in range(len(ends)))
    return False


def _size(file: Path) -> int:
    try:
        with open_regular(file) as opened:
            return os.fstat(opened.fileno()).st_size
    except OSError as error:
        raise InputError(
            f"{file}: cannot be read ({error.strerror}); prepare or copy the data set "
            "again"
        ) from error


def _read_kept(kept: Path, sizes: np.ndarray, count: int) -> list[np.ndarray] | None:
    bound = 2 * (16 * count + sizes.nbytes + 8 * len(sizes)) + 2**16
    with (
        contextlib.suppress(Exception),  # a damaged one is made again
        open_regular(kept, bound) as file,
        np.load(file, allow_pickle=False) as known,
    ):
        if sum(member.file_size for member in known.zip.infolist()) > bound:
            return None
        if np.array_equal(known["sizes"], sizes):
            return np.split(known["records"], known["ends"])
    return None


def _keep(kept: Path, sizes: np.ndarray, index: list[np.ndarray]) -> None:
    records = np.concatenate([np.empty((0, 2), np.int64), *index])
    ends = np.cumsum([len(one) for one in index])[:-1]
    with contextlib.suppress(OSError):
        write_npz(kept, {"sizes": sizes, "records": records, "ends": ends})
