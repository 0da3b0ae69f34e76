"""Pictures in an archive -> a prepared data set; a stopped run goes on."""

import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pdm_tf.config import InputError, PrepareConfig
from pdm_tf.data.images import contact_sheet, save_png
from pdm_tf.data.preparation import writing
from pdm_tf.data.preparation.archives import open_archive
from pdm_tf.data.preparation.beam import by_beam
from pdm_tf.data.preparation.one_file import picture_threads, write_file
from pdm_tf.data.preparation.plan import Plan, make_plan
from pdm_tf.data.preparation.record import Record, resume
from pdm_tf.data.stores import INFO
from pdm_tf.data.tfds import read_tfds
from pdm_tf.errors import MissingSetting, SettingError, printable
from pdm_tf.progress import progress
from pdm_tf.storage.files import checksum
from pdm_tf.storage.locks import locked_place
from pdm_tf.storage.places import open_place
from pdm_tf.storage.reading import is_regular

_MANY_BROKEN = 100  # from here on more broken than sound pictures end it
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
    out = open_place("out", config.out)
    with locked_place("out", out):
        return _prepare(config, out)


def _prepare(config: PrepareConfig, out: Path) -> Record:
    with closing(open_archive(config.source)) as archive:
        if archive.left_out:
            print(archive.left_out, file=sys.stderr)
        plan = make_plan(config, archive)
        try:
            record, others = resume(out, plan.split, plan.settings())
            out.mkdir(parents=True, exist_ok=True)
            record.class_names = _class_names(plan, record, others)
            if not _is_complete(plan, record):
                record.complete = False  # where a finished one was damaged
                record.save()  # from here on the directory is known as begun
                _write_shards(config, plan, record)
                _finish(out, plan, record, others)
        except OSError as error:
            raise _failed(config, error) from error
    return record


def _class_names(plan: Plan, record: Record, others: list[Record]) -> list[str]:
    """As they were when the split was begun; a second split takes those of the first.

    Version 0.1 took numbered folders in the order of text, and its labels stay.
    """
    names = list(plan.class_names)
    if sorted(record.class_names) == sorted(names):
        names = record.class_names
    for other in others:
        unknown = sorted(set(names) - set(other.class_names))
        if unknown:
            raise SettingError(
                "source",
                plan.archive.name,
                f"class {unknown[0]} is not among those of the split {other.split}; "
                "rename it or remove it",
            )
        names = other.class_names
    return names


def _is_complete(plan: Plan, record: Record) -> bool:
    """Whether all files of a finished split are as they were written."""
    out, count = record.path.parent, len(plan.shards)
    path = partial(writing.shard_path, out, plan.split, count=count)
    described = all(is_regular(out / name) for name in (INFO, "features.json"))
    return record.complete and described and _finished(record, path) == count


def _write_shards(config: PrepareConfig, plan: Plan, record: Record) -> None:
    shards, out = plan.shards, record.path.parent
    path = partial(writing.shard_path, out, plan.split, count=len(shards))
    del record.shards[_finished(record, path) :]
    if config.beam_runner:
        record.shards += by_beam(config, plan, record)
        record.save()
        _refuse_too_many(plan, record)
        return
    done = sum(len(shard) for shard in shards[: len(record.shards)])
    title, count = f"preparing {plan.split}", len(plan.order)
    bar = progress(None, title, "pictures", count, done, delay=2)
    with bar, picture_threads() as pool:
        for number in range(len(record.shards), len(shards)):
            place = path(number=number)
            names = record.class_names
            record.shards.append(write_file(plan, names, number, place, pool, bar))
            record.save()
            _refuse_too_many(plan, record)


def _finished(record: Record, path: Any) -> int:
    """How many files from the first on are as the record says."""
    for number, shard in enumerate(record.shards):
        file = path(number=number)
        if not is_regular(file) or file.stat().st_size != shard.size:
            return number
        if shard.sha256 and checksum(file) != shard.sha256:
            return number
    return len(record.shards)


def _refuse_too_many(plan: Plan, record: Record) -> None:
    """Ends where most are broken: what is left is no sample of the source."""
    count = len(record.skipped)
    if count >= _MANY_BROKEN and count > record.pictures:
        raise _too_many(plan, record)


def _too_many(plan: Plan, record: Record) -> SettingError:
    sound, skipped = record.pictures, record.skipped
    which = f"only {sound:,} of its" if sound else "none of its"
    return SettingError(
        "source",
        plan.archive.name,
        f"{which} {sound + len(skipped):,} pictures can be read (the first broken one "
        f"is {printable(skipped[0])}: {record.reasons[0]}); give sound pictures",
    )


def _finish(out: Path, plan: Plan, record: Record, others: list[Record]) -> None:
    """Metadata, index of the records, contact sheet; the record's last word."""
    if not record.pictures:
        raise _too_many(plan, record)
    if said := plan.conversions.not_yet_said():
        print(f"{printable(plan.archive.name)}: pictures {said}", file=sys.stderr)
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
