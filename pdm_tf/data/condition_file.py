"""Files that tell of pictures what they are conditioned on: metadata.csv, dataset.json.

metadata.csv, as Hugging Face's imagefolder has it: a column `file_name` with the path
of each picture, a column for each attribute, and `labels`, several between semicolons.
Left empty is what is not known.

    file_name,age,smiling,labels
    a.png,33,1,cat;indoors

dataset.json: {"labels": [["a.png", [0, 3]], …], "attributes": [["a.png", {"age": 33}],
…]}.
"""

import csv
import difflib
import io
import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pdm_tf.config.conditioning import Conditions
from pdm_tf.data.label_file import LABEL_FILE, MAX_BYTES
from pdm_tf.errors import SettingError, printable
from pdm_tf.storage.reading import is_regular, read_regular

TABLE_FILE, FILE_COLUMN, LABELS_COLUMN = "metadata.csv", "file_name", "labels"
Refuse = Callable[[str], SettingError]


@dataclass(frozen=True)
class ConditionTable:
    """What a file tells of pictures.

    Attributes:
      name: of the file.
      columns: names of the attributes that it has.
      attributes: of each picture the values, numbers or text, by name.
      labels: of each picture the names of its labels; None: it tells of no labels.
    """

    name: str
    columns: tuple[str, ...]
    attributes: dict[str, dict[str, Any]] = field(default_factory=dict)
    labels: dict[str, tuple[str, ...]] | None = None


def read_table(root: Path, refuse: Refuse) -> ConditionTable:
    """What the metadata.csv in a folder tells, or else its dataset.json.

    Args:
      root: the folder.
      refuse: makes the error from what is wrong.

    Raises:
      SettingError: neither is there, or it cannot be read.
    """
    readers = {TABLE_FILE: _read_csv, LABEL_FILE: _read_json}
    for name, reader in readers.items():
        if is_regular(root / name):
            try:
                content = read_regular(root / name, MAX_BYTES).decode("utf-8-sig")
            except (OSError, UnicodeDecodeError) as error:
                reason = getattr(error, "strerror", None) or "it is not UTF-8"
                remedy = f"{name} cannot be read ({reason}); mend or remove it"
                raise refuse(remedy) from None
            return reader(content, refuse)
    raise refuse(
        f"no {TABLE_FILE} and no {LABEL_FILE} in {root}, in which attributes and "
        f"several labels stand; write one whose column {FILE_COLUMN} names the pictures"
    )


def condition_rows(
    table: ConditionTable,
    conditions: Conditions,
    files: Sequence[str],
    everything: Iterable[str],
    refuse: Refuse,
    numbers: Sequence[int] | None = None,
) -> tuple[tuple[str, ...], np.ndarray]:
    """Names of the labels, and the rows of pictures: float32 [N, conditions.size].

    Args:
      table: what the file tells.
      conditions: what is in a row.
      files: the pictures that are read, relative to the folder.
      everything: all pictures of the folder, of which it may tell too.
      refuse: makes the error from what is wrong.
      numbers: the class of each picture, known otherwise; None: they are in the table.

    Raises:
      SettingError: a picture without a row, or the other way round; an attribute
        that is not there, that is no number, or beyond its range; other labels.
    """
    _check_files(table, files, everything, refuse)
    rows = np.zeros([len(files), conditions.size], np.float32)
    names: tuple[str, ...] = ()
    if numbers is not None:
        rows[np.arange(len(files)), numbers] = 1
    elif conditions.num_classes:
        names = _fill_labels(rows, table, conditions.num_classes, files, refuse)
    for column, one in enumerate(conditions.attributes, conditions.num_classes):
        if one.name not in table.columns:
            close = difflib.get_close_matches(one.name, table.columns, n=1)
            known = ", ".join(table.columns) or "none"
            remedy = f"did you mean {close[0]}?" if close else f"it has {known}"
            remedy = f"{table.name} has no attribute {one.name}; {remedy}"
            raise SettingError("attributes", one.name, remedy)
        values = [_number(table, one.name, file, refuse) for file in files]
        rows[:, column] = values
        _check_range(table, one.name, values, (one.low, one.high))
    return names, rows


def _check_files(
    table: ConditionTable,
    files: Sequence[str],
    everything: Iterable[str],
    refuse: Refuse,
) -> None:
    named = (
        table.attributes if table.labels is None else table.attributes | table.labels
    )
    if missing := [file for file in files if file not in named]:
        raise refuse(
            f"{len(missing)} pictures have no row in {table.name} (the first is "
            f"{printable(missing[0])}); add their rows or remove them"
        )
    if absent := sorted(set(named) - set(everything)):
        raise refuse(
            f"{table.name} has {len(absent)} rows without a picture (the first is of "
            f"{printable(absent[0])}); remove the rows or add the pictures"
        )


def _number(table: ConditionTable, name: str, file: str, refuse: Refuse) -> float:
    """A value; NaN where it is left empty."""
    value = table.attributes.get(file, {}).get(name)
    if value is None or (isinstance(value, str) and not value.strip()):
        return math.nan
    try:
        number = math.nan if isinstance(value, bool | list) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise refuse(
            f"{printable(name)} of {printable(file)} in {table.name} is "
            f"{printable(str(value))[:30]}; give a finite number, or leave it empty "
            "where it is not known"
        )
    return number


def _check_range(
    table: ConditionTable, name: str, values: list[float], ends: tuple[float, float]
) -> None:
    known = [value for value in values if not math.isnan(value)]
    low, high = min(known, default=ends[0]), max(known, default=ends[1])
    if low < ends[0] or high > ends[1]:
        raise SettingError(
            "attributes",
            name,
            f"goes from {low:g} to {high:g} in {table.name}, beyond {ends[0]:g} to "
            f"{ends[1]:g}; give {name}:{min(low, ends[0]):g}:{max(high, ends[1]):g}",
        )


def _fill_labels(
    rows: np.ndarray,
    table: ConditionTable,
    num_classes: int,
    files: Sequence[str],
    refuse: Refuse,
) -> tuple[str, ...]:
    """Writes 1 where a picture has a label; returns the names of labels, sorted.

    Labels that are numbers all of them are numbered so.
    """
    if table.labels is None:
        raise refuse(f"{table.name} has no {LABELS_COLUMN}; add them")
    found = {label for labels in table.labels.values() for label in labels}
    names = tuple(sorted(found))
    if all(name.isascii() and name.isdigit() and len(name) < 7 for name in names):
        names = tuple(map(str, range(max(map(int, names), default=-1) + 1)))
    if len(names) != num_classes:
        shown = ", ".join(map(printable, names[:5])) + ", …" * (len(names) > 5)
        remedy = f"{table.name} has {len(names)} labels ({shown}); give as many"
        raise SettingError("num_classes", num_classes, remedy)
    number = {name: i for i, name in enumerate(names)}
    for row, file in zip(rows, files, strict=True):
        for label in table.labels.get(file, ()):
            row[number[str(int(label)) if label not in number else label]] = 1
    return names


def _read_csv(content: str, refuse: Refuse) -> ConditionTable:
    reader = csv.reader(io.StringIO(content, newline=""), strict=True)
    try:
        header, *lines = [line for line in reader if line]
    except (csv.Error, ValueError) as error:
        raise refuse(f"{TABLE_FILE} is no table ({error}); write it again") from None
    header = [name.strip() for name in header]
    if FILE_COLUMN not in header or len(set(header)) < len(header):
        raise refuse(
            f"the first line of {TABLE_FILE} must name its columns, each once, and "
            f"{FILE_COLUMN} among them"
        )
    columns = [n for n in header if n not in (FILE_COLUMN, LABELS_COLUMN)]
    table = ConditionTable(
        TABLE_FILE, tuple(columns), {}, {} if LABELS_COLUMN in header else None
    )
    for line in lines:
        if len(line) != len(header):
            raise refuse(
                f"{TABLE_FILE} has {len(line)} values in the row of "
                f"{printable(line[0])[:60]}, and {len(header)} columns"
            )
        row = dict(zip(header, line, strict=True))
        file = _path(row[FILE_COLUMN])
        if file in table.attributes:
            raise refuse(f"{TABLE_FILE} has two rows of {printable(file)}; keep one")
        table.attributes[file] = {name: row[name] for name in columns}
        if table.labels is not None:
            labels = (part.strip() for part in row[LABELS_COLUMN].split(";"))
            table.labels[file] = tuple(label for label in labels if label)
    return table


def _read_json(content: str, refuse: Refuse) -> ConditionTable:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise refuse(f"{LABEL_FILE} is no JSON; copy it again") from None
    if not isinstance(found, dict):
        raise refuse(f"{LABEL_FILE} is no table; copy it again")
    attributes = dict(_entries(found, "attributes", dict, refuse))
    columns = sorted({name for row in attributes.values() for name in row})
    labels = None
    if found.get("labels") is not None:
        labels = {
            file: tuple(map(str, value if isinstance(value, list) else [value]))
            for file, value in _entries(found, "labels", list | int | str, refuse)
        }
    return ConditionTable(LABEL_FILE, tuple(columns), attributes, labels)


def _entries(
    found: dict[str, Any], name: str, kind: Any, refuse: Refuse
) -> Iterable[tuple[str, Any]]:
    """Pairs of a path and what it says."""
    entries = found.get(name) or []
    for entry in entries if isinstance(entries, list) else [entries]:
        pair = isinstance(entry, list) and len(entry) == 2
        if not pair or not isinstance(entry[0], str) or not isinstance(entry[1], kind):
            shown = printable(str(entry))[:60]
            raise refuse(f"{name} of {LABEL_FILE} hold {shown}, not [file, value]")
        yield _path(entry[0]), entry[1]


def _path(text: str) -> str:
    return text.strip().replace("\\", "/").removeprefix("./")
