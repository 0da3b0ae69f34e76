"""Pictures to edit, read from files that settings name; loads no TensorFlow."""

from typing import Any

import numpy as np

from pdm_tf.config import DirectionsConfig, EditingConfig, Fit
from pdm_tf.data.fitting import read_exactly, size_of
from pdm_tf.errors import MissingSetting, SettingError

OPTIONAL = {DirectionsConfig: ("mask",)}  # pictures that a task may do without


def check(config: EditingConfig, own: Any) -> None:
    """Raises SettingError for what can be refused before anything slow is loaded.

    Args:
      config: what every task takes.
      own: what the task takes besides.
    """
    if not config.model:
        raise MissingSetting("model", "name the directory of a run, or pretrained:NAME")
    if config.count < 1:
        raise SettingError("count", config.count, "at least 1 is needed")
    for setting, path in picture_files(config, own).items():
        size_of(setting, path)


def picture_files(config: EditingConfig, own: Any) -> dict[str, str]:
    """The pictures that a task reads: setting -> file."""
    named = {"image": config.image}
    for setting in ("mask", "second_image"):
        path = getattr(own, setting, None)
        if path or (path is not None and setting not in OPTIONAL.get(type(own), ())):
            named[setting] = path
    return named


def read_small(
    path: str, shape: tuple[int, ...], fit: Fit = "exact"
) -> tuple[np.ndarray, tuple[int, int]]:
    """A picture to be enlarged to a model's shape, uint8 [1, H, W, C], and its size.

    It is read as it is where `fit` is exact, and brought to the nearest size that
    divides the model's otherwise.
    """
    size = size_of("image", path)
    if fit != "exact":
        sizes = [
            (shape[0] // f, shape[1] // f)
            for f in range(2, min(shape[:2]) + 1)
            if shape[0] % f == shape[1] % f == 0
        ]
        area = np.log(size[0] * size[1])
        fitting = (s for s in sizes if s != size)
        size = (
            size
            if size in sizes
            else min(
                fitting, key=lambda s: abs(np.log(s[0] * s[1]) - area), default=size
            )
        )
    return read_exactly("image", path, (*size, shape[2]), fit), size
