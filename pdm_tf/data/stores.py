"""Where prepared data sets lie: a directory, or a name known to TensorFlow Datasets."""

from pathlib import Path
from typing import Any

from pdm_tf.config import InputError
from pdm_tf.data.preparation.record import Record, load
from pdm_tf.errors import SettingError
from pdm_tf.storage.reading import open_regular

INFO = "dataset_info.json"  # what makes a directory a prepared data set
_LARGEST = 2**28  # bytes of metadata


def open_store(name: str, location: str, data_dir: str, download: bool) -> Any:
    """A builder of TensorFlow Datasets whose files are there.

    Nothing is ever fetched unless `download` says so.

    Args:
      name: the data set as the user wrote it, for messages.
      location: a directory with a dataset_info.json, or NAME[/CONFIG][:VERSION].
      data_dir: where NAME lies; empty for the library's default.
      download: prepare NAME where it is missing.

    Raises:
      InputError: not there, with the way to get it.
    """
    import tensorflow_datasets as tfds

    directory = Path(location).expanduser()
    if location and directory.is_dir():
        return _in_directory(name, directory)
    options = {"data_dir": data_dir} if data_dir else {}
    try:
        builder = tfds.builder(location, **options)
    except Exception as error:  # of several kinds: names, versions, imports
        raise _unknown(name, location, directory, error) from error
    if (Path(builder.data_dir) / INFO).is_file():
        return builder
    if not download:
        raise SettingError(
            "dataset",
            name,
            f"{builder.info.full_name} is not prepared in {builder.data_dir}; add "
            "`download` to fetch it, or say with `data_dir` where it lies",
        )
    return _prepared(name, builder)


def _in_directory(name: str, directory: Path) -> Any:
    import tensorflow_datasets as tfds

    if not (directory / INFO).is_file():
        begun = any(directory.glob("preparation_*.json"))
        below = sorted(path.parent for path in directory.glob(f"*/{INFO}"))
        remedy = "prepare one with python -m pdm_tf.data --source=FILES --out=DIR"
        if begun:
            remedy = "its preparation was stopped; the same command again finishes it"
        elif below:
            remedy = f"did you mean tfds:{below[-1]}?"
        raise SettingError("dataset", name, f"no {INFO} in {directory}; {remedy}")
    _check_files(name, directory)
    try:
        builder = tfds.builder_from_directory(str(directory))
        for split in builder.info.splits.values():
            _ = split.filenames  # a damaged pattern of names shows only here
        return builder
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise SettingError(
            "dataset",
            name,
            f"{directory / INFO} cannot be used ({reason}); prepare the data set again",
        ) from error


def _check_files(name: str, directory: Path) -> None:
    """Compares the files of a data set that was prepared here with its record."""
    for path in sorted(directory.iterdir()):
        if path.suffix in (".json", ".txt"):
            try:
                open_regular(path, _LARGEST).close()
            except OSError as error:
                remedy = f"{path} {error.strerror}; prepare or copy the data set again"
                raise SettingError("dataset", name, remedy) from error
        if not path.match("preparation_*.json"):
            continue
        record = _record(path)
        sizes = [shard.size for shard in record.shards]
        files = sorted(directory.glob(f"*-{record.split}.tfrecord-*-of-*"))
        found = [file.stat().st_size for file in files]
        if not record.complete or found == sizes:
            continue
        pairs = zip(files, found, sizes, strict=False)
        wrong = [file.name for file, now, then in pairs if now != then]
        fault = f"{(wrong or [files[-1].name])[0]} was changed" if files else ""
        if len(found) < len(sizes):
            fault = f"{len(sizes) - len(found)} of {len(sizes)} files are missing"
        raise SettingError(
            "dataset",
            name,
            f"{fault} since its split {record.split} was prepared; copy the data set "
            "again, or mend it with the command that prepared it",
        )


def _record(path: Path) -> Record:
    try:
        return load(path)
    except SettingError as error:
        raise error.named("dataset") from error


def _unknown(name: str, location: str, directory: Path, error: Exception) -> InputError:
    reason = str(error).partition("\n")[0][:200] or type(error).__name__
    return SettingError(
        "dataset",
        name,
        f"there is no directory {directory}, and TensorFlow Datasets does not know "
        f"{location or 'an empty name'} ({reason}); give tfds:PATH of a prepared data "
        "set, made with python -m pdm_tf.data --source=FILES --out=DIR, or a name "
        "from tensorflow.org/datasets",
    )


def _prepared(name: str, builder: Any) -> Any:
    try:
        builder.download_and_prepare(file_format="tfrecord")
    except Exception as error:  # no network, files to fetch by hand, missing packages
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise SettingError(
            "dataset",
            name,
            f"TensorFlow Datasets could not prepare it ({reason}); if you have the "
            "pictures, python -m pdm_tf.data --source=FILES --out=DIR prepares them",
        ) from error
    return builder
