"""Settings of a training that fit somebody's pictures, machine and time."""

import os
import statistics
import sys
import tempfile
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pdm_tf import flags
from pdm_tf.assemble.training import open_pictures
from pdm_tf.config import Config, DoctorConfig, TrainingConfig
from pdm_tf.data.folder import list_pictures
from pdm_tf.data.sources import Source
from pdm_tf.doctor.throughput import measure_training
from pdm_tf.errors import SettingError
from pdm_tf.evaluation.report import check_writable
from pdm_tf.storage.files import write_text
from pdm_tf.training.expectations import SHOWN, in_words

_WORK = 0.85  # share of the time in which steps are taken
_GRID = 16  # patches along a side, with which the default network was tried
_STEPS = 4  # that are timed
_BEGINNING = b"# For "  # of a proposal
_PROBED = 16  # pictures
_LARGEST = 64  # pixels that are proposed by themselves
# Pictures learnt from, from which on a network of a width is worth its time.
_WIDTHS = ((2_000_000, 128), (600_000, 96), (SHOWN, 64), (0, 32))


def propose(own: DoctorConfig, config: Config, given: Collection[str]) -> int:
    """Tries out networks, and writes a flagfile to stdout or to a file.

    Args:
      own: for how long it is to train.
      config: settings as given, or their defaults.
      given: names of those that are given, which are kept.

    Returns:
      An exit code, 0.

    Raises:
      InputError: no pictures, or settings with which nothing can be tried.
    """
    if own.out:
        check_writable("out", str(Path(own.out).expanduser()), _is_proposal)
    shape = config.network.image_shape
    if "image_shape" not in given:
        shape = _shape_of(config)
    changes: dict[str, Any] = {"image_shape": shape}
    if "patch_size" not in given:
        changes["patch_size"] = max(1, shape[0] // _GRID)
    config = replace(config, network=replace(config.network, **changes))
    source = open_pictures(config)
    size = "×".join(map(str, shape))
    _note(f"{source.name}: {len(source):,} pictures, learnt as {size}")
    config, rate = _fitting_network(own, config, given, source)
    learnt = rate * 60 * own.minutes * _WORK
    config = _fitting_length(config, given, learnt)
    text = _written(own, config, source, rate, learnt)
    if own.out:
        write_text(Path(own.out).expanduser(), text)
        _note(f"written: {own.out}; python train.py --flagfile={own.out} trains")
    else:
        print(text)
    return 0


def _is_proposal(path: Path) -> bool:
    """Whether a file is a proposal of before; an empty one may become one."""
    with path.open("rb") as file:
        return file.read(len(_BEGINNING)) in (b"", _BEGINNING)


def _note(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _shape_of(config: Config) -> tuple[int, int, int]:
    """A square that the pictures fill, and whether they have colours."""
    dataset = config.data.dataset
    kind, _, argument = dataset.partition(":")
    if kind == "mnist":
        return 32, 32, 1
    if kind == "tfds":
        raise SettingError(
            "image_shape", None, f"is missing: say the shape in which {dataset} is read"
        )
    side = _LARGEST
    if kind == "folder":
        root, files = list_pictures(argument)
        sides = [_side(root / file) for file in files[:_PROBED]]
        middle = statistics.median([s for s in sides if s] or [side])
        side = _LARGEST if middle >= _LARGEST else 32
    probe = replace(config.network, image_shape=(side, side, 3))
    source = open_pictures(replace(config, network=probe))
    x, _ = source.read(np.arange(min(_PROBED, len(source))))
    grey = np.all(x == x[..., :1])
    return side, side, 1 if grey else 3


def _side(path: Any) -> int:
    """The shorter side of a picture [pixels]; 0 where it cannot be read."""
    try:
        with Image.open(path, formats=("PNG", "JPEG", "WEBP", "BMP")) as picture:
            return min(picture.size)
    except (OSError, ValueError, Image.DecompressionBombError):
        return 0


def _fitting_network(
    own: DoctorConfig, config: Config, given: Collection[str], source: Source
) -> tuple[Config, float]:
    """Tries the default width, and another where the time asks for it."""
    rate = _rate(config, source)
    width = config.network.width
    _note(f"width {width}: {rate:.3g} pictures/s")
    if "width" in given:
        return config, rate
    learnt = rate * 60 * own.minutes * _WORK
    fitting = next(width for least, width in _WIDTHS if learnt >= least)
    if fitting != width:
        other = replace(config, network=replace(config.network, width=fitting))
        other_rate = _rate(other, source)
        _note(f"width {fitting}: {other_rate:.3g} pictures/s")
        config, rate = other, other_rate
    return config, rate


def _rate(config: Config, source: Source) -> float:
    """Pictures a second that a network learns from."""
    with tempfile.TemporaryDirectory() as folder:
        training = replace(config.training, run_dir=folder, init_from="")
        return measure_training(replace(config, training=training), source, _STEPS)


def _fitting_length(config: Config, given: Collection[str], learnt: float) -> Config:
    """The steps that the time allows, and what follows from them."""
    training = config.training
    steps = max(int(learnt / training.batch_size), 1)
    steps = int(float(f"{steps:.2g}"))
    fresh = TrainingConfig(iterations=steps)
    free = {
        name: getattr(fresh, name)
        for name in (
            "iterations",
            "learning_rate",
            "warmup",
            "ema_every",
            "sample_every",
            "save_every",
        )
        if name not in given
    }
    return replace(config, training=replace(training, **free))


def _written(
    own: DoctorConfig, config: Config, source: Source, rate: float, learnt: float
) -> str:
    """The flagfile, with what is to be expected of it."""
    training = config.training
    times = learnt / len(source)
    lines = [
        f"For {source.name} ({len(source):,} pictures), {own.minutes:g} minutes and "
        f"this machine ({os.cpu_count()} processor cores).",
        "",
        f"Command:  python train.py --flagfile={own.out or 'THIS_FILE'}",
        f"Measured: {rate:.3g} pictures/s, a step of {training.batch_size} in "
        f"{training.batch_size / rate:.2g} s",
        f"Expected: {training.iterations:,} steps, each picture {times:,.0f} times",
    ]
    if learnt < SHOWN:
        needed = in_words(SHOWN / rate / _WORK)
        lines.append(
            f"          the pictures of so short a training are blurs; {needed} would "
            "show what they are of"
        )
    return flags.to_flagfile(config, "\n".join(lines))
