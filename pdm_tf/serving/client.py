"""Pictures of a generator, written to files.

Restartable: each batch is kept until all are there, and a second call with the same
settings goes on where the first was stopped.
"""

import json
import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pdm_tf.config import SampleConfig
from pdm_tf.data.images import contact_sheet, save_png
from pdm_tf.errors import SettingError
from pdm_tf.serving.generator import ImageGenerator
from pdm_tf.storage.files import write_json, write_npy, write_npz

GRID_PICTURES = 100  # at most, in grid.png


def assign_labels(config: SampleConfig, num_classes: int) -> np.ndarray:
    """The label of each picture, int32 [num_images]; zeros without classes.

    Raises:
      SettingError: labels that the model does not know.
    """
    if not num_classes:
        if config.labels:
            raise SettingError("labels", None, "the model has no classes; give none")
        return np.zeros(config.num_images, np.int32)
    cycle = config.labels or tuple(range(num_classes))
    for label in cycle:
        if not 0 <= label <= num_classes:
            raise SettingError(
                "labels",
                label,
                f"the model's classes are 0 to {num_classes - 1} ({num_classes} means "
                "no label)",
            )
    return np.resize(np.asarray(cycle, np.int32), config.num_images)


def check(config: SampleConfig, generator: ImageGenerator) -> None:
    """Raises SettingError for numbers that make no sense for this model."""
    for name in ("num_images", "batch_size"):
        if getattr(config, name) < 1:
            raise SettingError(name, getattr(config, name), "at least 1 is needed")
    if config.guidance is not None and not np.isfinite(config.guidance):
        raise SettingError("guidance", config.guidance, "give a number; 1 is none")
    generator.check(config.sampler, config.steps)
    if not 0 <= config.seed <= 2**31 - 1 - config.num_images:
        raise SettingError("seed", config.seed, "choose from 0 to about 2 billion")


def write_samples(generator: ImageGenerator, config: SampleConfig) -> Path:
    """Generates what the command line asks for; returns the directory.

    Writes 000000.png …, grid.png, samples.npz (arr_0 uint8 [N, H, W, C], labels,
    seeds) and manifest.json.

    Raises:
      InputError: settings that do not fit the model, or a directory with other samples.
    """
    check(config, generator)
    if config.guidance is None:
        config = replace(config, guidance=generator.guidance)
    labels = assign_labels(config, generator.num_classes)
    seeds = np.arange(config.seed, config.seed + config.num_images, dtype=np.int32)
    directory = Path(config.out_dir)
    _claim(directory, config, generator)
    batches = directory / ".parts"
    batches.mkdir(exist_ok=True)
    _write_batches(generator, config, seeds, labels, batches)
    pictures = np.concatenate(
        [np.load(_existing(batches, first)) for first in _firsts(config)]
    )
    arrays = {"arr_0": pictures, "labels": labels, "seeds": seeds}
    write_npz(directory / "samples.npz", arrays)
    save_png(directory / "grid.png", contact_sheet(pictures[:GRID_PICTURES]))
    shutil.rmtree(batches)
    return directory


def _write_batches(
    generator: ImageGenerator,
    config: SampleConfig,
    seeds: np.ndarray,
    labels: np.ndarray,
    batches: Path,
) -> None:
    """Writes every batch that is not there yet, each while the next is computed."""
    assert config.guidance is not None
    request = config.steps, config.guidance, config.sampler
    bar = tqdm(total=config.num_images, unit="image", desc="sampling")
    with bar, ThreadPoolExecutor(1) as disk:
        written: Future = disk.submit(lambda: None)
        for first in _firsts(config):
            rows = slice(first, first + config.batch_size)
            file = batches / f"{first:08d}-{len(seeds[rows])}.npy"
            if not file.exists():
                pictures = generator.generate(seeds[rows], labels[rows], *request)
                written.result()  # raises what went wrong with it
                written = disk.submit(_write_batch, file, first, pictures)
            bar.update(len(seeds[rows]))
        written.result()


def _write_batch(file: Path, first: int, pictures: np.ndarray) -> None:
    """Its pictures, and then the batch as a whole, which says that they are there."""
    for index, picture in enumerate(pictures, first):
        save_png(file.parent.parent / f"{index:06d}.png", picture)
    write_npy(file, pictures)


def _firsts(config: SampleConfig) -> range:
    """The first picture of each batch."""
    return range(0, config.num_images, config.batch_size)


def _existing(batches: Path, first: int) -> Path:
    return next(batches.glob(f"{first:08d}-*.npy"))


def _claim(directory: Path, config: SampleConfig, generator: ImageGenerator) -> None:
    """Writes the manifest, or checks that the one there is of the same samples."""
    settings = {k: v for k, v in asdict(config).items() if k != "out_dir"}
    settings |= {"path": config.model, "model": generator.description}
    manifest = json.loads(json.dumps(settings))
    path = directory / "manifest.json"
    if not path.is_file():
        write_json(path, manifest)
    elif json.loads(path.read_text()) != manifest:
        raise SettingError(
            "out_dir",
            directory,
            "holds samples of other settings; choose another directory, or repeat the "
            "command that filled it",
        )
