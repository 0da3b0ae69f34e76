"""Pictures of a generator, written to files.

Restartable: each batch is kept until all are there, and a second call with the same
settings goes on where the first was stopped.
"""

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pdm_tf.config import SampleConfig
from pdm_tf.config.conditioning import Conditions, read_conditions
from pdm_tf.config.sampling import BEST, check_guidance
from pdm_tf.data.condition_rows import asked_rows
from pdm_tf.data.images import save_png
from pdm_tf.data.labels import find_labels
from pdm_tf.errors import SettingError
from pdm_tf.progress import progress
from pdm_tf.serving.generator import ImageGenerator, choose_sampler
from pdm_tf.serving.samples import (
    check_pictures,
    describe_samples,
    differences,
    is_known,
    is_of_samples,
    write_collection,
)
from pdm_tf.serving.shards import own_numbers
from pdm_tf.serving.watching import generate_watched
from pdm_tf.storage.files import write_json, write_npy
from pdm_tf.storage.npz import read_shapes
from pdm_tf.storage.outputs import MANIFEST, locked_directory

_BATCHES = ".parts"  # folder of finished batches


class Request(NamedTuple):
    """What is to be generated: settings, and a seed and a label for each picture.

    Attributes:
      numbers: of the pictures, all of them or a part's; files are named after them.
    """

    config: SampleConfig
    generator: ImageGenerator
    numbers: range
    seeds: np.ndarray
    labels: np.ndarray

    @property
    def firsts(self) -> range:
        """The first picture of each batch."""
        return self.numbers[:: self.config.batch_size]

    def batch(self, first: int) -> tuple[np.ndarray, np.ndarray]:
        """Seeds and labels of a batch."""
        return self._rows(first, self.config.batch_size)

    def _rows(self, first: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        start = first - self.numbers.start
        rows = slice(start, start + count)
        return self.seeds[rows], self.labels[rows]

    def generated(self, first: int, count: int) -> np.ndarray:
        """Pictures from a number on."""
        config = self.config
        assert config.guidance is not None
        how = config.steps, config.guidance, config.sampler
        seeds, labels = self._rows(first, count)
        return self.generator.generate(seeds, labels, *how)


def label_cycle(
    config: SampleConfig, num_classes: int, class_names: tuple[str, ...] = ()
) -> list[int]:
    """The labels that are repeated over the pictures; empty without classes.

    Raises:
      SettingError: classes that the model does not know.
    """
    given = find_labels(config.labels, num_classes, class_names, null=True)
    return given or list(range(num_classes))


def assign_labels(
    config: SampleConfig,
    num_classes: int,
    class_names: tuple[str, ...] = (),
    conditions: Conditions | None = None,
) -> np.ndarray:
    """The label of each picture, int32 [num_images]; zeros without classes.

    Of a model with conditions their rows, float32 [num_images, n].

    Raises:
      SettingError: classes or attributes that the model does not know.
    """
    if conditions:
        asked = config.labels, config.attributes, class_names
        return asked_rows(conditions, config.num_images, *asked)
    if config.attributes:
        remedy = "the model has no attributes; give none"
        raise SettingError("attributes", ",".join(config.attributes), remedy)
    cycle = label_cycle(config, num_classes, class_names) or [0]
    return np.resize(np.asarray(cycle, np.int32), config.num_images)


def check(config: SampleConfig, generator: ImageGenerator) -> None:
    """Raises SettingError for numbers that make no sense for this model."""
    for name in ("num_images", "batch_size"):
        if getattr(config, name) < 1:
            raise SettingError(name, getattr(config, name), "at least 1 is needed")
    if config.guidance is not None and not np.isfinite(config.guidance):
        raise SettingError("guidance", config.guidance, "give a number; 1 is none")
    if config.guidance is not None:
        check_guidance(generator.description.get("guidance_range"), config.guidance)
    generator.check(config.sampler, config.steps)
    if not 0 <= config.seed <= 2**31 - 1 - config.num_images:
        raise SettingError("seed", config.seed, "choose from 0 to about 2 billion")


def write_samples(generator: ImageGenerator, config: SampleConfig) -> Path:
    """Generates what the command line asks for; returns the directory.

    Writes 000000.png …, grid.png, samples.npz (arr_0 uint8 [N, H, W, C], labels, seeds
    and, where known, class_names) and manifest.json. Memory is that of a few batches,
    whatever the number of pictures.

    Raises:
      InputError: settings that do not fit the model, a directory with other samples or
        with files of others, or where another command writes now.
    """
    chosen = choose_sampler(generator, config.sampler, config.steps, BEST)
    config = replace(config, sampler=chosen[0], steps=chosen[1])
    check(config, generator)
    if config.guidance is None:
        config = replace(config, guidance=generator.guidance)
    names = tuple(generator.description.get("class_names") or ())
    conditions = read_conditions(generator.description)
    every = assign_labels(config, generator.num_classes, names, conditions)
    numbers = own_numbers(config.shard, config.num_images, config.batch_size)
    seeds = np.arange(config.num_images, dtype=np.int32)[numbers] + config.seed
    request = Request(config, generator, numbers, seeds, every[numbers])
    manifest = describe_samples(config, generator, _named(config, generator, names))
    with locked_directory("out_dir", config.out_dir, is_of_samples) as there:
        directory = Path(config.out_dir)
        _compare(directory, request, there, manifest)
        if there is None or not _is_complete(directory, request):
            write_json(directory / MANIFEST, manifest)
            _write_all(directory, request, names)
    return directory


def _named(
    config: SampleConfig, generator: ImageGenerator, names: tuple[str, ...]
) -> Sequence[int] | str:
    """The labels as a manifest has them."""
    if read_conditions(generator.description):
        return ",".join(config.labels)
    return label_cycle(config, generator.num_classes, names)


def _compare(
    directory: Path, request: Request, there: Any, manifest: dict[str, Any]
) -> None:
    """Raises SettingError where the samples that are there are others."""
    if there is None:
        return
    found = differences(there, manifest, request.generator.num_classes)
    if found:
        raise SettingError(
            "out_dir",
            directory,
            f"holds samples of other settings: {'; '.join(found)}; name another "
            "directory, or repeat the command that filled it",
        )
    if not is_known(there, manifest):
        check_pictures(directory, _stored(directory, request), request.generated)


def _stored(directory: Path, request: Request) -> tuple[int, np.ndarray] | None:
    """Pictures that are there, with the number of the first."""
    for path in sorted((directory / _BATCHES).glob("*-*.npy"), reverse=True):
        first, _, count = path.stem.partition("-")
        if first.isdecimal() and count.isdecimal():
            pictures = _read_batch(path, int(count), request)
            if pictures is not None and _within(int(first), int(count), request):
                return int(first), pictures
    if _is_complete(directory, request):
        with np.load(directory / "samples.npz", allow_pickle=False) as stored:
            return request.numbers.start, stored["arr_0"][:4]
    return None


def _within(first: int, count: int, request: Request) -> bool:
    """Whether pictures are among those that are asked for."""
    numbers = request.numbers
    return numbers.start <= first and first + count <= numbers.stop


def _is_complete(directory: Path, request: Request) -> bool:
    """Whether all that was asked for is there, the npz sound to the last bit."""
    count = len(request.seeds)
    shapes = read_shapes(directory / "samples.npz") or {}
    wanted = (count, *request.generator.image_shape)
    last = (directory / f"{request.numbers[-1]:06d}.png", directory / "grid.png")
    return shapes.get("arr_0") == wanted and all(file.is_file() for file in last)


def _write_all(directory: Path, request: Request, names: tuple[str, ...]) -> None:
    """Writes the pictures, then what is made of all of them."""
    batches = directory / _BATCHES
    if batches.is_symlink():
        raise SettingError("out_dir", directory, f"its {_BATCHES} is a link; remove it")
    batches.mkdir(exist_ok=True)
    _write_batches(request, batches)
    write_collection(
        directory,
        lambda: _batches(request, batches),
        request.seeds,
        request.labels,
        request.generator.num_classes,
        names,
    )
    shutil.rmtree(batches)


def _write_batches(request: Request, batches: Path) -> None:
    """Writes every batch that is not there yet, each while the next is computed."""
    config, generator = request.config, request.generator
    assert config.guidance is not None
    missing = [f for f in request.firsts if _stored_batch(request, batches, f) is None]
    each = generator.evaluations(config.sampler, config.steps)
    total = each * len(request.firsts)
    title = f"sampling {len(request.seeds)} pictures"
    done = total - each * len(missing)
    bar = progress(None, title, "steps", total=total, done=done)
    with bar, ThreadPoolExecutor(1) as disk:
        written: Future = disk.submit(lambda: None)
        if missing and hasattr(generator, "rehearse"):
            labels = request.batch(missing[0])[1]
            generator.rehearse(labels, config.guidance, config.sampler)
        for first in missing:
            rows = request.batch(first)
            pictures = generate_watched(
                generator,
                *rows,
                config.steps,
                config.guidance,
                config.sampler,
                bar.update,
            )
            written.result()  # raises what went wrong with it
            file = _file(batches, first, len(pictures))
            written = disk.submit(_write_batch, file, first, pictures)
        written.result()


def _write_batch(file: Path, first: int, pictures: np.ndarray) -> None:
    """Its pictures, and then the batch as a whole, which says that they are there."""
    for index, picture in enumerate(pictures, first):
        save_png(file.parent.parent / f"{index:06d}.png", picture)
    write_npy(file, pictures)


def _file(batches: Path, first: int, count: int) -> Path:
    return batches / f"{first:08d}-{count}.npy"


def _batches(request: Request, batches: Path) -> Iterator[np.ndarray]:
    """All batches, one after the other."""
    for first in request.firsts:
        pictures = _stored_batch(request, batches, first)
        assert pictures is not None
        yield pictures


def _stored_batch(request: Request, batches: Path, first: int) -> np.ndarray | None:
    count = len(request.batch(first)[0])
    return _read_batch(_file(batches, first, count), count, request)


def _read_batch(file: Path, count: int, request: Request) -> np.ndarray | None:
    """A finished batch, or None where there is none that is sound."""
    with contextlib.suppress(OSError, ValueError, EOFError):
        pictures = np.load(file, allow_pickle=False)
        wanted = (count, *request.generator.image_shape)
        if pictures.shape == wanted and pictures.dtype == np.uint8:
            return pictures
    return None
