"""One file of a data set: its pictures read, scaled and written."""

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tqdm import tqdm

from pdm_tf.config import InputError
from pdm_tf.data.images import read_picture
from pdm_tf.data.preparation import writing
from pdm_tf.data.preparation.archives import Archive
from pdm_tf.data.preparation.plan import Plan
from pdm_tf.data.preparation.record import Shard
from pdm_tf.errors import SettingError
from pdm_tf.storage.files import checksum
from pdm_tf.storage.images import encode_png


def picture_threads() -> ThreadPoolExecutor:
    """More threads than cores: some wait for the disk."""
    return ThreadPoolExecutor((os.cpu_count() or 1) + 2)


def write_file(
    plan: Plan,
    class_names: Sequence[str],
    number: int,
    place: Path,
    pool: ThreadPoolExecutor,
    bar: tqdm | None = None,
) -> Shard:
    """Writes a file whole or not at all; what the record says of it.

    Args:
      plan: of the data set.
      class_names: in the order of their labels.
      number: of the file.
      place: where it goes.
      pool: makes its pictures.
      bar: counts its pictures.

    Raises:
      InputError: the archive cannot be read.
      OSError: the disk is full, or refuses.
    """
    broken: dict[str, str] = {}
    features = writing.make_features(plan.image_shape, class_names)
    made = pool.map(partial(_made, plan), plan.shards[number].tolist())
    count = writing.write_shard(place, features, _sound(made, broken, bar))
    size, digest = place.stat().st_size, checksum(place)
    return Shard(count, size, list(broken), digest, list(broken.values()))


def _made(plan: Plan, index: int) -> tuple[str, dict | str]:
    """Name of a picture and its example; if it is broken, why."""
    archive: Archive = plan.archive
    # Names that are no Unicode, which file systems allow, are written with escapes.
    name = archive.names[index].encode("utf-8", "backslashreplace").decode()
    try:
        picture = read_picture(archive.read(index), plan.image_shape, plan.conversions)
    except SettingError:  # about the archive as a whole
        raise
    except InputError as error:
        return name, getattr(error, "reason", "") or str(error)
    example = {"image": encode_png(picture, compress_level=1), "file_name": name}
    if plan.classes:
        example["label"] = plan.classes[index]
    return name, example


def _sound(
    made: Iterable[tuple[str, dict | str]], broken: dict[str, str], bar: tqdm | None
) -> Iterator[dict]:
    for name, example in made:
        if bar is not None:
            bar.update()
        if isinstance(example, str):
            broken[name] = example
        else:
            yield example
