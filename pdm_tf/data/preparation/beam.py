"""The files of a data set written by workers of Apache Beam, on any of its runners.

Each file is a pure function of the archive, the settings and its number, so that they
need no order; what the record is to say of a file lies beside it until all are there.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from pdm_tf.config import PrepareConfig
from pdm_tf.data.preparation import writing
from pdm_tf.data.preparation.archives import open_archive
from pdm_tf.data.preparation.one_file import picture_threads, write_file
from pdm_tf.data.preparation.plan import Plan, make_plan
from pdm_tf.data.preparation.record import Record, Shard
from pdm_tf.errors import SettingError
from pdm_tf.storage.files import checksum, write_json
from pdm_tf.storage.places import open_place
from pdm_tf.storage.reading import is_regular, read_json


def by_beam(config: PrepareConfig, plan: Plan, record: Record) -> list[Shard]:
    """Has all files written that the record does not name; what it is to say of them.

    Files that an earlier, stopped pipeline finished are kept.

    Args:
      config: its `source` and `out` must be there for all workers.
      plan: of the data set.
      record: its first files are done.

    Raises:
      SettingError: no such runner, or the pipeline failed.
      ModuleNotFoundError: apache_beam is not installed.
    """
    beam, options = _load(config)
    count, out = len(plan.shards), record.path.parent
    numbers = list(range(len(record.shards), count))
    missing = [n for n in numbers if _read(out, plan.split, n, count) is None]
    work = partial(_write, config, tuple(record.class_names))
    try:
        if missing:
            with beam.Pipeline(config.beam_runner, options) as pipeline:
                files = pipeline | beam.Create(missing) | beam.Reshuffle()
                _ = files | beam.Map(work)
    except Exception as error:  # of any kind, from any worker
        reason = " ".join(str(error).split())[:200]
        remedy = f"{reason}; mend that, and the same command goes on"
        raise SettingError("beam_runner", config.beam_runner, remedy) from error
    shards = [_read(out, plan.split, number, count) for number in numbers]
    lost = [n for n, shard in zip(numbers, shards, strict=True) if shard is None]
    if lost:
        remedy = (
            f"file {lost[0]} is not in {out}; give a directory that all workers see"
        )
        raise SettingError("beam_runner", config.beam_runner, remedy)
    for number in numbers:
        _note_of(out, plan.split, number).unlink()
    return [shard for shard in shards if shard is not None]


def _load(config: PrepareConfig) -> tuple[Any, Any]:
    """The package, and the options of its pipeline."""
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    parts = (option.partition("=") for option in config.beam_options)
    given = {name: value if sign else True for name, sign, value in parts}
    return beam, PipelineOptions.from_dictionary(given)


def _write(config: PrepareConfig, class_names: Sequence[str], number: int) -> None:
    """One file, by a worker, from the command line alone."""
    out = open_place("out", config.out)
    with closing(open_archive(config.source)) as archive, picture_threads() as pool:
        plan = make_plan(config, archive)
        place = writing.shard_path(out, plan.split, number, len(plan.shards))
        shard = write_file(plan, class_names, number, place, pool)
    write_json(_note_of(out, plan.split, number), asdict(shard))


def _note_of(out: Path, split: str, number: int) -> Path:
    return out / f".{split}-{number:05d}.json"


def _read(out: Path, split: str, number: int, count: int) -> Shard | None:
    """What a note says of a file that is as it says; None where either is not."""
    file = writing.shard_path(out, split, number, count)
    note = _note_of(out, split, number)
    if not is_regular(note) or not is_regular(file):
        return None
    try:
        shard = Shard(**read_json(note))
    except (OSError, ValueError, TypeError):
        return None
    return shard if checksum(file) == shard.sha256 else None
