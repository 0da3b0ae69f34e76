"""Two ways to hold a source: all pictures in memory, or made when needed."""

import atexit
import math
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from multiprocessing.pool import ThreadPool

import numpy as np

from pdm_tf.config import InputError
from pdm_tf.errors import SettingError, printable
from pdm_tf.progress import progress

MEMORY = 2**30  # bytes of decoded pictures that a source may keep
_MANY_BROKEN = 100  # from here on more broken than sound pictures end the reading


@dataclass(frozen=True)
class InMemory:
    """A source that is one array, which TensorFlow can gather from by itself."""

    name: str
    pictures: np.ndarray  # uint8 [N, H, W, C]
    labels: np.ndarray  # int32 [N]; or rows of conditions, float32 [N, n]
    class_names: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """int64 [B] -> uint8 [B, H, W, C], int32 [B] or float32 [B, n]."""
        return self.pictures[indices], self.labels[indices]


@dataclass(frozen=True)
class OnDemand:
    """A source whose pictures are made one by one, on several threads.

    A picture that cannot be made is replaced by the next one that can, with that
    one's label, so that what an index means depends on the source alone.
    """

    name: str
    image_shape: tuple[int, int, int]
    make: Callable[[int], np.ndarray]  # index -> uint8 [H, W, C], or InputError
    title: Callable[[int], str]  # index -> what `skipped` calls the picture
    labels: np.ndarray  # int32 [N]; or rows of conditions, float32 [N, n]
    class_names: tuple[str, ...] = ()
    broken: dict[int, str] = field(default_factory=dict)  # index -> why
    tried: list[int] = field(default_factory=lambda: [0])  # how many, up to now

    @property
    def skipped(self) -> tuple[str, ...]:
        """Pictures found broken so far."""
        return tuple(self.title(index) for index in sorted(self.broken))

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """int64 [B] -> uint8 [B, H, W, C], int32 [B] or float32 [B, n]."""
        pictures = np.empty((len(indices), *self.image_shape), np.uint8)
        labels = np.empty((len(indices), *self.labels.shape[1:]), self.labels.dtype)
        warned = bool(self.broken)
        found = _threads().map(self._substituted, indices.tolist())
        for row, (index, picture) in enumerate(found):
            pictures[row], labels[row] = picture, self.labels[index]
        if self.broken and not warned:
            _warn(self)
        _tell_conversions(self)
        return pictures, labels

    def attempt(self, index: int) -> np.ndarray | None:
        """The picture of an index, or None and a note in `broken`."""
        self.tried[0] += 1
        try:
            return self.make(index)
        except InputError as error:
            self.broken[index] = getattr(error, "reason", "") or str(error)
            _refuse_too_many(self)
            return None

    def _substituted(self, index: int) -> tuple[int, np.ndarray]:
        for candidate in range(index, index + len(self)):
            candidate %= len(self)
            if candidate not in self.broken:
                picture = self.attempt(candidate)
                if picture is not None:
                    return candidate, picture
        raise _too_many(self, len(self))


def kept_in_memory(source: OnDemand, memory: int = MEMORY) -> InMemory | OnDemand:
    """Makes all pictures now, where they fit; the broken ones are left out.

    Args:
      source: whatever makes its pictures one by one.
      memory: bytes that the pictures may take; a larger source comes back as it is.

    Raises:
      InputError: none of the pictures can be made.
    """
    count = len(source)
    if count * math.prod(source.image_shape) > memory:
        return source
    pictures = np.empty((count, *source.image_shape), np.uint8)
    with progress(None, printable(source.name), "pictures", count, delay=2) as bar:
        made = _threads().imap(source.attempt, range(count), chunksize=16)
        for index, picture in enumerate(made):
            if picture is not None:
                pictures[index] = picture
            bar.update()
    labels = source.labels
    if source.broken:
        good = np.setdiff1d(np.arange(count), list(source.broken))
        if 2 * len(good) < count:
            raise _too_many(source, count)
        pictures, labels = pictures[good], labels[good]
        _warn(source)
    _tell_conversions(source)
    return InMemory(source.name, pictures, labels, source.class_names, source.skipped)


@cache
def _threads() -> ThreadPool:
    """More than there are cores: some wait for the disk."""
    pool = ThreadPool(min(32, (os.cpu_count() or 1) + 4))
    atexit.register(pool.close)  # one that is open complains when Python ends
    return pool


def _warn(source: OnDemand) -> None:
    names = source.skipped
    first = min(source.broken)
    print(
        f"{printable(source.name)}: skipped {len(names)} that cannot be read as "
        f"pictures: {', '.join(map(printable, names[:3]))}"
        + (", …" if len(names) > 3 else "")
        + f" (the first: {source.broken[first]})",
        file=sys.stderr,
    )


def _tell_conversions(source: OnDemand) -> None:
    """Says what was changed in pictures as they were read, each kind once."""
    conversions = getattr(source.make, "conversions", None)
    if conversions is not None and (said := conversions.not_yet_said()):
        print(f"{printable(source.name)}: pictures {said}", file=sys.stderr)


def _refuse_too_many(source: OnDemand) -> None:
    """Ends where most are broken: what is left is no sample of the data set."""
    count = len(source.broken)
    if count >= _MANY_BROKEN and 2 * count > source.tried[0]:
        raise _too_many(source, source.tried[0])


class TooManyBroken(SettingError):
    """Most pictures of a source cannot be read."""


def _too_many(source: OnDemand, tried: int) -> SettingError:
    first = min(source.broken)
    count = len(source.broken)
    sound = tried - count
    which = f"only {sound:,} of {tried:,}" if sound > 0 else f"none of its {tried:,}"
    return TooManyBroken(
        "dataset",
        source.name,
        f"{which} pictures can be read (the first is {printable(source.title(first))}: "
        f"{source.broken[first]}); give sound pictures",
    )
