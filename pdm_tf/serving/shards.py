"""Samples made in parts on several machines, and put together again.

A part has whole batches of the one run, of consecutive pictures with the run's numbers,
seeds and labels: each is computed as the one run would, and so to the same bits.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pdm_tf.config import MergeConfig
from pdm_tf.data.images import save_png
from pdm_tf.errors import MissingSetting, SettingError
from pdm_tf.progress import progress
from pdm_tf.serving.samples import differences, is_of_samples, write_collection
from pdm_tf.storage.files import write_json
from pdm_tf.storage.outputs import MANIFEST, locked_directory
from pdm_tf.storage.picture_npz import read_arrays, read_pictures
from pdm_tf.storage.reading import read_json


class Shard(NamedTuple):
    """The `part`-th of `parts`, counted from 1."""

    part: int
    parts: int

    def numbers(self, num_images: int, batch_size: int) -> range:
        """Numbers of its pictures: its share of the batches of all `num_images`."""
        batches = -(-num_images // batch_size)
        first, last = (
            part * batches // self.parts for part in (self.part - 1, self.part)
        )
        return range(first * batch_size, min(last * batch_size, num_images))


WHOLE = Shard(1, 1)


def read_shard(text: str) -> Shard:
    """The part that "i/n" names; all of the pictures for an empty text.

    Raises:
      SettingError: no such part.
    """
    if not text:
        return WHOLE
    index, _, count = text.partition("/")
    numbers = index.isdecimal() and count.isdecimal()
    if not numbers or not 1 <= int(index) <= int(count):
        raise SettingError("shard", text, "give i/n, of n parts the i-th: 1/4 to 4/4")
    return Shard(int(index), int(count))


def own_numbers(shard: str, num_images: int, batch_size: int) -> range:
    """Numbers of the pictures of a part.

    Raises:
      SettingError: no such part, or one without pictures.
    """
    numbers = read_shard(shard).numbers(num_images, batch_size)
    if not numbers:
        raise SettingError(
            "shard",
            shard,
            f"{num_images} pictures in batches of {batch_size} leave it none; ask for "
            "fewer parts, or smaller batches of all of them",
        )
    return numbers


def merge_samples(config: MergeConfig) -> Path:
    """Puts parts together to what one run would have written; returns the directory.

    Memory is that of a batch, whatever the number of pictures.

    Raises:
      InputError: parts that are not there, not finished or of other samples, named.
    """
    if not config.shards:
        raise MissingSetting("shards", "name the directories of all parts")
    parts = _parts(config.shards)
    _, manifest = parts[0]
    whole = {k: v for k, v in manifest.items() if k != "shard"}
    with locked_directory("out_dir", config.out_dir, is_of_samples) as there:
        directory = Path(config.out_dir)
        if there is not None and differences(there, whole, _classes(whole)):
            raise SettingError(
                "out_dir", directory, "holds other samples; name another directory"
            )
        write_json(directory / MANIFEST, whole)
        _write(directory, whole, [str(path / "samples.npz") for path, _ in parts])
    return directory


def _parts(named: Sequence[str]) -> list[tuple[Path, dict[str, Any]]]:
    """All parts in order, with their manifests; SettingError where they are not all."""
    paths = [path for text in named for path in _directories(Path(text))]
    found: dict[int, tuple[Path, dict[str, Any]]] = {}
    first = _manifest(paths[0])
    count = read_shard(first.get("shard", "")).parts
    for path in paths:
        manifest = _manifest(path)
        shard = read_shard(manifest.get("shard", ""))
        alike = {**manifest, "shard": first.get("shard", "")}
        others = differences(first, alike, _classes(first))
        if shard.parts != count:
            others.append(f"one of {shard.parts} parts, not {count}")
        if others:
            what = "; ".join(others)
            raise SettingError(
                "shards", path, f"is not of the same samples as {paths[0]}: {what}"
            )
        if shard.part in found:
            raise SettingError(
                "shards", path, f"is the same part as {found[shard.part][0]}"
            )
        found[shard.part] = path, manifest
    missing = sorted(set(range(1, count + 1)) - found.keys())
    if missing:
        names = ", ".join(f"{index}/{count}" for index in missing)
        raise SettingError(
            "shards",
            ",".join(named),
            f"part {names} is missing; run `pdm-tf sample` with its `shard`",
        )
    return [found[index] for index in sorted(found)]


def _directories(path: Path) -> list[Path]:
    """A part's directory, or those of the parts in a folder."""
    inside = sorted(path.glob(f"*/{MANIFEST}"))
    return (
        [path]
        if (path / MANIFEST).exists() or not inside
        else [p.parent for p in inside]
    )


def _manifest(path: Path) -> dict[str, Any]:
    """The manifest of a finished part."""
    try:
        manifest = read_json(path / MANIFEST)
    except (OSError, ValueError):
        manifest = None
    if not isinstance(manifest, dict) or not is_of_samples(manifest):
        raise SettingError("shards", path, "is no directory of `pdm-tf sample`")
    if not (path / "samples.npz").is_file():
        raise SettingError(
            "shards", path, "is not finished; repeat the command that made it"
        )
    return manifest


def _classes(manifest: Mapping[str, Any]) -> int:
    return int(manifest["model"].get("num_classes", 0))


def _write(directory: Path, manifest: Mapping[str, Any], files: Sequence[str]) -> None:
    """Writes the pictures, then what is made of all of them, as one run does."""
    arrays = [read_arrays("shards", file, {"seeds", "labels"}) for file in files]
    for file, part in zip(files, arrays, strict=True):
        if part.keys() != {"seeds", "labels"}:
            raise SettingError("shards", file, "is not what `pdm-tf sample` wrote")
    seeds, labels = (
        np.concatenate([part[name] for part in arrays]) for name in ("seeds", "labels")
    )
    count, first_seed = manifest["num_images"], manifest["seed"]
    if not np.array_equal(seeds, np.arange(first_seed, first_seed + count)):
        raise SettingError(
            "shards", files[0], "has other pictures than its part should"
        )
    size = manifest["batch_size"]

    def batches() -> Iterator[np.ndarray]:
        for file, part in zip(files, arrays, strict=True):
            yield from read_pictures("shards", file, len(part["seeds"]), size)

    numbered = enumerate(picture for batch in batches() for picture in batch)
    for number, picture in progress(numbered, "merging", "pictures", total=count):
        save_png(directory / f"{number:06d}.png", picture)
    names = tuple(manifest["class_names"])
    write_collection(directory, batches, seeds, labels, _classes(manifest), names)
