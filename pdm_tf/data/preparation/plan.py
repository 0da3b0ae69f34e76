"""What becomes of an archive: order, labels and files, all known before the start."""

import math
from dataclasses import dataclass, field

import numpy as np

from pdm_tf.config import PrepareConfig
from pdm_tf.data.classes import ordered_classes
from pdm_tf.data.decoding import Conversions
from pdm_tf.data.held_out import placed
from pdm_tf.data.images import checked_shape
from pdm_tf.data.preparation.archives import Archive
from pdm_tf.errors import SettingError, printable
from pdm_tf.storage.files import checksum

_SHARD_BYTES = 200e6  # decoded; about two thirds of it on disk


@dataclass(frozen=True)
class Plan:
    """A pure function of the archive and the settings; a restart makes it again.

    The order is mixed, so that any stretch of the data set shows all of it.
    """

    archive: Archive
    split: str
    image_shape: tuple[int, int, int]
    classes: tuple[str, ...]  # the class of each picture, or empty
    class_names: tuple[str, ...]  # in the order of their labels
    order: np.ndarray  # int64 [N], indices of the archive
    shard_pictures: int
    conversions: Conversions = field(default_factory=Conversions)

    @property
    def shards(self) -> list[np.ndarray]:
        """Indices of the archive for each file."""
        starts = range(0, len(self.order), self.shard_pictures)
        return [self.order[start : start + self.shard_pictures] for start in starts]

    def settings(self) -> dict:
        """All that the bytes of the data set depend on, to be compared by a restart."""
        names = "\n".join(self.archive.names).encode("utf-8", "surrogateescape")
        return {
            "source": self.archive.name,
            "pictures": len(self.order),
            "names_sha256": checksum(names),
            "image_shape": list(self.image_shape),
            "labels": bool(self.classes),
            "shard_pictures": self.shard_pictures,
        }


def make_plan(config: PrepareConfig, archive: Archive) -> Plan:
    """The plan of a command line.

    Raises:
      InputError: an impossible size, labels where there are none, splits in one source.
    """
    size, channels = config.image_size, config.channels
    if size < 1 or channels not in (1, 3):
        raise SettingError(
            "image_size",
            size,
            "give a side of at least 1 pixel, and 1 channel for grey or 3 for colour",
            channels=channels,
        )
    if not config.split.isidentifier() or not config.split.islower():
        raise SettingError(
            "split", config.split, "give a name in small letters, such as train"
        )
    if config.shard_pictures < 0:
        raise SettingError(
            "shard_pictures", config.shard_pictures, "give 0 or a number of pictures"
        )
    shape = checked_shape((size, size, channels))
    _refuse_several_splits(archive)
    classes, class_names = _classes(archive) if config.labels else ((), ())
    per_shard = config.shard_pictures or math.ceil(_SHARD_BYTES / math.prod(shape))
    # RandomState and not Generator: its stream is promised never to change.
    order = np.random.RandomState(0).permutation(len(archive.names)).astype(np.int64)
    return Plan(archive, config.split, shape, classes, class_names, order, per_shard)


def _refuse_several_splits(archive: Archive) -> None:
    """Pictures that are held out must not be thrown together with the others."""
    files = placed(archive.names)
    held = sorted({one.folder for one in files if one.split not in ("train", "")})
    if held and any(one.split in ("train", "") for one in files):
        raise SettingError(
            "source",
            archive.name,
            f"holds train and test pictures ({printable(held[0])} is held out); "
            "prepare the folders one by one, with `split=train` and `split=test`",
        )


def _classes(archive: Archive) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The class of each picture, and the names of all in the order of their labels."""
    if archive.labels is not None:
        names = archive.labels.class_names
        numbers = archive.labels.of(
            archive.names, lambda remedy: SettingError("source", archive.name, remedy)
        )
        return tuple(names[number] for number in numbers), names
    first = _first_folders(archive.names)
    if "" in first:
        raise SettingError(
            "labels",
            None,
            f"{first.count('')} pictures of {archive.name} lie in no class folder (the "
            f"first is {printable(archive.names[first.index('')])}); leave `labels` "
            "out, or move them",
        )
    try:
        of = ordered_classes(archive.name, first)
    except SettingError as error:
        raise error.named("source") from error
    return tuple(of[folder] for folder in first), tuple(of.values())


def _first_folders(names: tuple[str, ...]) -> list[str]:
    """For each path its folder, at the first level where folders differ; or "".

    Where none differ, all pictures are of one class, and its folder is the innermost.
    """
    folders = [name.split("/")[:-1] for name in names]
    first, last = min(folders), max(folders)
    if first == last:
        return ["".join(first[-1:])] * len(folders)
    shared = 0
    while first[shared : shared + 1] == last[shared : shared + 1]:
        shared += 1
    return ["/".join(folder[shared : shared + 1]) for folder in folders]
