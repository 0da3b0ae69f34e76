"""Samples on disk: what they are of, and the files of all of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from pdm_tf.config import SampleConfig
from pdm_tf.data.images import contact_sheet, save_png
from pdm_tf.data.labelled_sheet import labelled_sheet
from pdm_tf.data.labels import find_labels, name_of
from pdm_tf.errors import InputError, SettingError, as_text
from pdm_tf.serving.generator import ImageGenerator
from pdm_tf.storage.npz import Blocks, write_npz_in_blocks

GRID_PICTURES = 100  # at most, in grid.png
# All that changes pictures, but for the model; the size of batches does not.
SETTINGS = ("num_images", "seed", "labels", "guidance", "sampler", "steps")
_ASKED = ("attributes", "guidance_each")  # in manifests where they are given
_ROUNDED = (
    0.005  # share of numbers that other batches may round otherwise by more than 1
)


def is_of_samples(manifest: Mapping[str, Any]) -> bool:
    """Whether a manifest is of samples, those of version 0.1 among them."""
    return {*SETTINGS, "model"} <= manifest.keys()


def describe_samples(
    config: SampleConfig, generator: ImageGenerator, cycle: Sequence[int] | str
) -> dict[str, Any]:
    """The manifest of samples: all settings, resolved, and the model.

    Args:
      config: the command line, its guidance known.
      generator: the model.
      cycle: labels that are repeated over the pictures; empty without classes. Of a
        model with conditions as they were asked for.
    """
    asked = {name: list(getattr(config, name)) for name in _ASKED}
    return {
        "num_images": config.num_images,
        "seed": config.seed,
        "labels": cycle if isinstance(cycle, str) else list(cycle),
        **{name: value for name, value in asked.items() if value},
        "class_names": list(generator.description.get("class_names") or []),
        "guidance": config.guidance,
        "sampler": config.sampler,
        "steps": config.steps,
        "batch_size": config.batch_size,
        "path": config.model,
        "digest": generator.description.get("digest", ""),
        "model": generator.description,
        **({"shard": config.shard} if config.shard else {}),
    }


def differences(
    there: Mapping[str, Any], wanted: Mapping[str, Any], num_classes: int
) -> list[str]:
    """What keeps samples from being continued: "steps 50 there, 20 now", …"""
    there = {**there, "labels": _cycle(there["labels"], num_classes)}
    found = [
        f"{name} {_shown(there[name])} there, {_shown(wanted[name])} now"
        for name in SETTINGS
        if there[name] != wanted[name]
    ]
    found += [
        f"{name} {_shown(there.get(name))} there, {_shown(wanted.get(name))} now"
        for name in _ASKED
        if there.get(name) != wanted.get(name)
    ]
    if wanted.get("shard", "") != there.get("shard", ""):
        found.append(f"{_part(there)} there, {_part(wanted)} now")
    if wanted.get("shard") and wanted["batch_size"] != there["batch_size"]:
        found.append(
            f"batches of {there['batch_size']} there, {wanted['batch_size']} now"
        )
    digests = there.get("digest") or _digest_in(there), wanted["digest"]
    if all(digests) and digests[0] != digests[1]:
        found.append(f"another model, {_model(there)} there, {_model(wanted)} now")
    return found


def is_known(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether the digests tell that the model is the same, as they did not before."""
    return bool(wanted["digest"]) and bool(there.get("digest") or _digest_in(there))


def check_pictures(
    directory: Path,
    stored: tuple[int, np.ndarray] | None,
    generate: Callable[[int, int], np.ndarray],
) -> None:
    """Raises SettingError where a model gives other pictures than are stored.

    Args:
      directory: where they are.
      stored: the number of the first, and pictures that follow it; None: none is there.
      generate: makes so many pictures from a number on.
    """
    if stored is None:
        return
    first, pictures = stored
    pictures = pictures[:4]
    found = generate(first, len(pictures))
    far = np.abs(found.astype(int) - pictures) > 1
    if far.mean() > _ROUNDED:
        raise SettingError(
            "out_dir",
            directory,
            "holds samples of another model, since this one gives other pictures for "
            "the same seeds; name another directory",
        )


def _part(manifest: Mapping[str, Any]) -> str:
    shard = manifest.get("shard")
    return f"part {shard}" if shard else "all pictures"


def _digest_in(manifest: Mapping[str, Any]) -> str:
    model = manifest["model"]
    return str(model.get("digest", "")) if isinstance(model, Mapping) else ""


def _model(manifest: Mapping[str, Any]) -> str:
    digest = manifest.get("digest") or _digest_in(manifest)
    return f"{manifest.get('path', 'a model')} ({digest[:12]}…)"


def _cycle(labels: Any, num_classes: int) -> Any:
    """Labels as they are compared: an empty cycle stands for all classes in turn."""
    if not isinstance(labels, list):
        return labels
    if not labels:
        return list(range(num_classes))
    try:
        return find_labels(labels, num_classes, null=True)
    except InputError:
        return labels


def _shown(value: Any) -> str:
    text = as_text(value)
    return text if len(text) < 40 else f"{text[:37]}…"


def write_collection(
    directory: Path,
    batches: Callable[[], Iterator[np.ndarray]],
    seeds: np.ndarray,
    labels: np.ndarray,
    num_classes: int,
    names: Sequence[str],
) -> None:
    """Writes samples.npz and grid.png, in the memory of a batch.

    Args:
      directory: where they go.
      batches: begins to give the pictures anew: uint8 [B, H, W, C] each.
      seeds: of the pictures, [N].
      labels: of the pictures, [N]; not looked at for the grid without classes. Or
        rows of conditions, [N, n], whose grid has no columns.
      num_classes: of the model; 0 for none.
      names: of the classes; empty where they have none.
    """
    shape = next(batches()).shape[1:]
    arrays: dict[str, np.ndarray | Blocks] = {
        "arr_0": Blocks((len(seeds), *shape), np.uint8, batches()),
        "labels": labels,
        "seeds": seeds,
    }
    if names:
        arrays["class_names"] = np.asarray(names)
    write_npz_in_blocks(directory / "samples.npz", arrays)
    first = np.stack(list(islice(chain.from_iterable(batches()), GRID_PICTURES)))
    save_png(directory / "grid.png", _grid(first, labels, num_classes, names))


def _grid(
    pictures: np.ndarray, labels: np.ndarray, num_classes: int, names: Sequence[str]
) -> np.ndarray:
    """Pictures on a sheet, those of classes in columns with names."""
    if not num_classes or labels.ndim == 2:
        return contact_sheet(pictures)
    classes = labels[: len(pictures)].tolist()
    called = [
        "no class" if label == num_classes else name_of(label, names)
        for label in classes
    ]
    return labelled_sheet(pictures, classes, called)
