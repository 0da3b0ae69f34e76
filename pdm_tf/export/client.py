"""Draws pictures from an export to files; needs nothing of the model but the files.

Restartable: each batch is kept until all are there, and a second call with the same
settings goes on where the first was stopped.
"""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pdm_tf.config import InputError, SampleConfig
from pdm_tf.data.images import contact_sheet, save_png
from pdm_tf.export.litert_sampler import LitertSampler
from pdm_tf.serving import SavedSampler

Drawer = SavedSampler | LitertSampler

GRID_PICTURES = 100  # at most, in grid.png


def assign_labels(config: SampleConfig, num_classes: int) -> np.ndarray:
    """The label of each picture, int32 [num_images]; zeros without classes.

    Raises:
      InputError: labels that the model does not know.
    """
    if not num_classes:
        if config.labels:
            raise InputError("--labels: the model has no classes; leave the flag out")
        return np.zeros(config.num_images, np.int32)
    cycle = config.labels or tuple(range(num_classes))
    for label in cycle:
        if not 0 <= label <= num_classes:
            raise InputError(
                f"--labels={label}: the model's classes are 0 to {num_classes - 1} "
                f"({num_classes} means no label)"
            )
    return np.resize(np.asarray(cycle, np.int32), config.num_images)


def check(config: SampleConfig, sampler: Drawer) -> None:
    """Raises InputError for numbers that make no sense for this model."""
    for name in ("num_images", "batch_size"):
        if getattr(config, name) < 1:
            raise InputError(f"--{name}={getattr(config, name)}: at least 1 is needed")
    sampler.check(config.sampler, config.steps)
    if not 0 <= config.seed <= 2**31 - 1 - config.num_images:
        raise InputError(f"--seed={config.seed}: choose from 0 to about 2 billion")


def open_drawer(config: SampleConfig) -> Drawer:
    """What draws: the SavedModel, or the network of a .tflite file."""
    if config.litert:
        return LitertSampler("litert", config.litert)
    return SavedSampler("savedmodel", config.savedmodel)


def write_samples(config: SampleConfig) -> Path:
    """Draws what the command line asks for; returns the directory.

    Writes 000000.png …, grid.png, samples.npz (arr_0 uint8 [N, H, W, C], labels,
    seeds) and manifest.json.

    Raises:
      InputError: a flag that does not fit the model, or a directory with other samples.
    """
    sampler = open_drawer(config)
    check(config, sampler)
    labels = assign_labels(config, sampler.num_classes)
    seeds = np.arange(config.seed, config.seed + config.num_images, dtype=np.int32)
    directory = Path(config.out_dir)
    _claim(directory, config, sampler)
    parts = directory / ".parts"
    parts.mkdir(exist_ok=True)
    bar = tqdm(total=config.num_images, unit="image", desc="sampling")
    with bar, ThreadPoolExecutor(1) as disk:  # a batch is written during the next
        written = disk.submit(lambda: None)
        for first in range(0, config.num_images, config.batch_size):
            rows = slice(first, first + config.batch_size)
            part = parts / f"{first:08d}-{len(seeds[rows])}.npy"
            if not part.exists():
                pictures = sampler.draw(
                    seeds[rows],
                    labels[rows],
                    config.steps,
                    config.guidance,
                    config.sampler,
                )
                written.result()  # raises what went wrong with it
                written = disk.submit(_write, directory, first, pictures, part)
            bar.update(len(seeds[rows]))
        written.result()
    pictures = np.concatenate(
        [np.load(part) for part in _in_order(parts, config)], axis=0
    )
    _finish(directory, pictures, labels, seeds)
    shutil.rmtree(parts)
    return directory


def _write(directory: Path, first: int, pictures: np.ndarray, part: Path) -> None:
    for index, picture in enumerate(pictures, first):
        save_png(directory / f"{index:06d}.png", picture)
    _save(part, pictures)


def _in_order(parts: Path, config: SampleConfig) -> list[Path]:
    firsts = range(0, config.num_images, config.batch_size)
    return [next(parts.glob(f"{first:08d}-*.npy")) for first in firsts]


def _save(path: Path, array: np.ndarray) -> None:
    beside = path.with_suffix(".tmp")
    with beside.open("wb") as file:
        np.save(file, array)
    beside.replace(path)


def _finish(
    directory: Path, pictures: np.ndarray, labels: np.ndarray, seeds: np.ndarray
) -> None:
    beside = directory / ".samples.tmp"
    with beside.open("wb") as file:
        np.savez(file, arr_0=pictures, labels=labels, seeds=seeds)
    beside.replace(directory / "samples.npz")
    save_png(directory / "grid.png", contact_sheet(pictures[:GRID_PICTURES]))


def _claim(directory: Path, config: SampleConfig, sampler: Drawer) -> None:
    """Writes the manifest, or checks that the one there is of the same samples."""
    asked = {
        **{k: v for k, v in asdict(config).items() if k != "out_dir"},
        "labels": list(config.labels),
        "model": sampler.description,
    }
    path = directory / "manifest.json"
    if path.is_file():
        if json.loads(path.read_text()) != json.loads(json.dumps(asked)):
            raise InputError(
                f"--out_dir={directory}: holds samples of other settings; choose "
                "another directory, or repeat the command that filled it"
            )
        return
    directory.mkdir(parents=True, exist_ok=True)
    beside = directory / ".manifest.tmp"
    beside.write_text(json.dumps(asked, indent=1))
    beside.replace(path)
