"""Pictures in an archive -> a prepared data set; a stopped run goes on."""

import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from pdm_tf.config import InputError, PrepareConfig
from pdm_tf.data.images import contact_sheet, read_picture, save_png
from pdm_tf.data.preparation import writing
from pdm_tf.data.preparation.archives import Archive, open_archive
from pdm_tf.data.preparation.plan import Plan, make_plan
from pdm_tf.data.preparation.record import Record, Shard, resume
from pdm_tf.data.tfds import read_tfds
from pdm_tf.errors import MissingSetting, SettingError
from pdm_tf.storage.images import encode_png

_SHEET = (64, 128)  # pictures on the contact sheet; their side at most [pixels]


def prepare(config: PrepareConfig) -> Record:
    """Writes --out: TFRecord files, metadata, record and contact sheet.

    Every file is written whole or not at all, and is not written again by the next
    run; the bytes of all of them are a function of the source and the settings.

    Returns:
      The record, complete.

    Raises:
      InputError: a source or settings that cannot be used, a disk that is full.
    """
    if not config.out:
        raise MissingSetting("out", "name a directory for the data set")
    out = Path(config.out).expanduser()
    with closing(open_archive(config.source)) as archive:
        plan = make_plan(config, archive)
        try:
            record, others = resume(out, plan.split, plan.settings())
            out.mkdir(parents=True, exist_ok=True)
            record.class_names = _class_names(plan, others)
            if not record.complete:
                record.save()  # from here on the directory is known as begun
                _write_shards(plan, record)
                _finish(out, plan, record, others)
        except OSError as error:
            raise _failed(config, error) from error
    return record


def _class_names(plan: Plan, others: list[Record]) -> list[str]:
    """In sorted order; a second split takes those of the first."""
    names = sorted(set(plan.classes))
    for record in others:
        unknown = sorted(set(names) - set(record.class_names))
        if unknown:
            raise SettingError(
                "source",
                plan.archive.name,
                f"class {unknown[0]} is not among those of the split {record.split}; "
                "rename it or remove it",
            )
        names = record.class_names
    return names


def _write_shards(plan: Plan, record: Record) -> None:
    shards, out = plan.shards, record.path.parent
    path = partial(writing.shard_path, out, plan.split, count=len(shards))
    del record.shards[_finished(record, path) :]
    features = writing.make_features(plan.image_shape, record.class_names)
    bar = tqdm(
        desc=f"preparing {plan.split}",
        unit=" pictures",
        total=len(plan.order),
        initial=sum(len(shard) for shard in shards[: len(record.shards)]),
        disable=None,  # where nobody watches
    )
    # More threads than cores: some wait for the disk.
    with bar, ThreadPoolExecutor((os.cpu_count() or 1) + 2) as pool:
        for number in range(len(record.shards), len(shards)):
            skipped: list[str] = []
            made = pool.map(partial(_made, plan), shards[number].tolist())
            examples = _sound(made, skipped, bar)
            count = writing.write_shard(path(number=number), features, examples)
            size = path(number=number).stat().st_size
            record.shards.append(Shard(count, size, skipped))
            record.save()


def _finished(record: Record, path: Any) -> int:
    """How many files from the first on are as the record says."""
    for number, shard in enumerate(record.shards):
        file = path(number=number)
        if not file.is_file() or file.stat().st_size != shard.size:
            return number
    return len(record.shards)


def _made(plan: Plan, index: int) -> tuple[str, dict | None]:
    """Name of a picture and its example, None if it is broken."""
    archive: Archive = plan.archive
    # Names that are no Unicode, which file systems allow, are written with escapes.
    name = archive.names[index].encode("utf-8", "backslashreplace").decode()
    try:
        picture = read_picture(archive.read(index), plan.image_shape)
    except (InputError, zipfile.BadZipFile, zlib.error, EOFError):
        return name, None
    example = {"image": encode_png(picture, compress_level=1), "file_name": name}
    if plan.classes:
        example["label"] = plan.classes[index]
    return name, example


def _sound(
    made: Iterable[tuple[str, dict | None]], skipped: list[str], bar: tqdm
) -> Iterator[dict]:
    for name, example in made:
        bar.update()
        if example is None:
            skipped.append(name)
        else:
            yield example


def _finish(out: Path, plan: Plan, record: Record, others: list[Record]) -> None:
    """Metadata, index of the records, contact sheet; the record's last word."""
    if not record.pictures:
        raise SettingError(
            "source",
            plan.archive.name,
            f"none of its {len(plan.order)} pictures can be read (the first is "
            f"{record.skipped[0]}); give sound pictures",
        )
    splits = {
        one.split: [(shard.pictures, shard.size) for shard in one.shards]
        for one in sorted([record, *others], key=lambda one: one.path)
    }
    height, width, _ = plan.image_shape
    features = writing.make_features(plan.image_shape, record.class_names)
    description = f"Pictures cropped in the middle and scaled to {height}x{width}."
    writing.write_metadata(out, features, splits, description)
    sheet = out / f"contact_sheet_{plan.split}.png"
    save_png(sheet, contact_sheet(_samples(out, plan, record.pictures)))
    record.complete = True
    record.save()


def _samples(out: Path, plan: Plan, pictures: int) -> np.ndarray:
    """The first pictures, read back as a training reads them."""
    count, side = _SHEET
    height, width, channels = plan.image_shape
    shape = min(height, side), min(width, side), channels
    source = read_tfds(f"{out}:{plan.split}", shape)
    return source.read(np.arange(min(count, pictures)))[0]


def _failed(config: PrepareConfig, error: OSError) -> InputError:
    return SettingError(
        "source",
        config.source,
        f"{error}; mend that, and the same command goes on",
        out=config.out,
    )
