"""The record of a preparation: its settings, and what is done."""

import json
from dataclasses import asdict, dataclass, field
from itertools import zip_longest
from pathlib import Path

from pdm_tf.config import PrepareConfig
from pdm_tf.errors import SettingError, printable
from pdm_tf.storage.files import write_json
from pdm_tf.storage.reading import read_regular

_LARGEST = 2**28  # bytes of a record


@dataclass
class Shard:
    """A finished file."""

    pictures: int
    size: int  # bytes
    skipped: list[str] = field(default_factory=list)
    sha256: str = ""  # of the file; empty in records of version 0.1
    reasons: list[str] = field(default_factory=list)  # why each was skipped


@dataclass
class Record:
    """preparation_SPLIT.json, written anew after every file."""

    path: Path
    settings: dict
    class_names: list[str] = field(default_factory=list)
    complete: bool = False
    shards: list[Shard] = field(default_factory=list)

    @property
    def split(self) -> str:
        """Name of the split."""
        return self.path.stem.removeprefix("preparation_")

    @property
    def pictures(self) -> int:
        """Pictures in the finished files."""
        return sum(shard.pictures for shard in self.shards)

    @property
    def skipped(self) -> list[str]:
        """Names of the broken pictures met so far."""
        return [name for shard in self.shards for name in shard.skipped]

    @property
    def reasons(self) -> list[str]:
        """Why each of them is broken; empty text where version 0.1 skipped it."""
        pairs = [zip_longest(s.skipped, s.reasons, fillvalue="") for s in self.shards]
        return [reason for pair in pairs for _, reason in pair]

    def save(self) -> None:
        """Writes the file whole or not at all."""
        write_json(self.path, {**asdict(self), "path": self.path.name})


def path_of(out: Path, split: str) -> Path:
    """Where the record of a split lies."""
    return out / f"preparation_{split}.json"


def load(path: Path) -> Record:
    """Reads a record.

    Raises:
      InputError: no record that this version wrote.
    """
    try:
        found = json.loads(read_regular(path, _LARGEST))
        shards = [Shard(**shard) for shard in found.pop("shards")]
        record = Record(**{**found, "path": path, "shards": shards})
        _check(record)
        return record
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise SettingError(
            "out",
            path.parent,
            f"{path.name} cannot be used ({error}); remove the directory or give "
            "another",
        ) from error


def _check(record: Record) -> None:
    """Raises TypeError for a record that is not of its form."""
    texts = [*record.class_names, *record.skipped, *record.reasons]
    numbers = [n for shard in record.shards for n in (shard.pictures, shard.size)]
    texts += [shard.sha256 for shard in record.shards]
    sound = (
        all(isinstance(text, str) for text in texts)
        and all(type(number) is int and number >= 0 for number in numbers)
        and isinstance(record.complete, bool)
        and {"image_shape", "labels"} <= dict(record.settings).keys()
    )
    if not sound:
        raise TypeError("not of the form that is written here")


def resume(out: Path, split: str, settings: dict) -> tuple[Record, list[Record]]:
    """The record to go on with, and those of the data set's other splits.

    Raises:
      InputError: the directory holds something that does not belong together.
    """
    mine = path_of(out, split)
    others = [load(path) for path in sorted(out.glob("preparation_*.json"))]
    own = [record for record in others if record.path == mine]
    others = [record for record in others if record.path != mine]
    if not own and not others and out.exists() and any(out.iterdir()):
        raise SettingError("out", out, "is not empty; give a new directory")
    for record in others:
        if not record.complete:
            raise SettingError(
                "out",
                out,
                f"its split {record.split} is not finished; finish it with the same "
                "command as before",
            )
        for name in ("image_shape", "labels"):
            if record.settings[name] != settings[name]:
                raise SettingError(
                    "out",
                    out,
                    f"its split {record.split} has {name} {record.settings[name]} and "
                    f"not {settings[name]}; give another directory, or the same flags",
                )
    if not own:
        return Record(mine, settings), others
    for name, value in own[0].settings.items():
        if value != settings.get(name):
            raise SettingError(
                "out",
                out,
                f"was begun with {name} {value} and not {settings.get(name)}; give the "
                "same flags and the same source, or another directory",
            )
    return own[0], others


def format_record(config: PrepareConfig, record: Record) -> str:
    """What was prepared, what was skipped, and how to train on it."""
    size = sum(shard.size for shard in record.shards)
    lines = [
        f"{record.pictures:,} pictures in {len(record.shards)} files "
        f"({size / 1e6:,.1f} MB), {len(record.skipped)} broken ones skipped"
    ]
    broken = list(zip(record.skipped, record.reasons, strict=True))[:10]
    lines += [f"  skipped: {printable(name)} ({reason})" for name, reason in broken]
    if len(record.skipped) > 10:
        lines.append(f"  … all of them in {record.path}")
    shape = f"{config.image_size},{config.image_size},{config.channels}"
    classes = len(record.class_names) if config.labels else 0
    sheet = record.path.parent / f"contact_sheet_{record.split}.png"
    lines.append(f"look at {sheet}; then train:")
    lines.append(
        f"  python train.py --dataset=tfds:{config.out} --image_shape={shape} "
        f"--num_classes={classes}"
    )
    return "\n".join(lines)
