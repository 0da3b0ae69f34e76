"""Crops of the colour photographs that ship inside scikit-image and scikit-learn."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from pdm_tf.data.classes import check_classes
from pdm_tf.data.decoding import FORMATS
from pdm_tf.data.reading import InMemory, OnDemand, kept_in_memory
from pdm_tf.errors import SettingError

# split -> (photographs as package/file, number of crops). The held-out photographs
# show nothing of the others; both views of the motorcycle are on the same side.
_SPLITS: dict[str, tuple[tuple[str, ...], int]] = {
    "train": (
        (
            "skimage/data/astronaut.png",
            "skimage/data/chelsea.png",
            "skimage/data/coffee.png",
            "skimage/data/ihc.png",
            "skimage/data/motorcycle_left.png",
            "skimage/data/motorcycle_right.png",
            "skimage/data/retina.jpg",
            "sklearn/datasets/images/china.jpg",
        ),
        20_000,
    ),
    "test": (
        (
            "skimage/data/hubble_deep_field.jpg",
            "skimage/data/rocket.jpg",
            "sklearn/datasets/images/flower.jpg",
        ),
        2_000,
    ),
}
_WHEELS = {"skimage": "scikit-image", "sklearn": "scikit-learn"}
_SMALLEST = 1 / 4  # of the largest crop that a photograph holds


@dataclass(frozen=True)
class Crops:
    """Random crops of a few photographs; crop j is the same at every call.

    A photograph is drawn first, then the size of the crop, from a quarter to the
    whole of the largest that fits (uniform in its logarithm), then its place.
    """

    photos: tuple[Image.Image, ...]
    draws: np.ndarray  # float64 [N, 4] in [0, 1): photograph, size, left, top
    image_shape: tuple[int, int, int]

    def __call__(self, j: int) -> np.ndarray:
        """Crop j: uint8 [H, W, C]."""
        height, width, _ = self.image_shape
        which, size, left, top = self.draws[j].tolist()
        photo = self.photos[int(which * len(self.photos))]
        largest = min(photo.width / width, photo.height / height)
        # Never magnified, as long as the photograph has the pixels.
        scale = max(largest * _SMALLEST ** (1 - size), min(1.0, largest))
        left *= max(0.0, photo.width - scale * width)
        top *= max(0.0, photo.height - scale * height)
        right = min(left + scale * width, photo.width)
        bottom = min(top + scale * height, photo.height)
        crop = photo.resize(
            (width, height), Image.Resampling.BICUBIC, (left, top, right, bottom)
        )
        return np.asarray(crop).reshape(self.image_shape)


def open_photos(
    argument: str, image_shape: tuple[int, int, int], num_classes: int, split: str
) -> InMemory | OnDemand:
    """20,000 random crops to train on, 2,000 of photographs that training never sees.

    Args:
      argument: nothing ("photos" takes no argument).
      image_shape: (H, W, C) in pixels, C of 1 or 3.
      num_classes: 0.
      split: "train" or "test".
    """
    if argument:
        raise SettingError(
            "dataset", f"photos:{argument}", "give `dataset=photos` alone"
        )
    check_classes("photos", num_classes, ())
    files, count = _SPLITS[split]
    # RandomState and not Generator: its stream is promised never to change.
    draws = np.random.RandomState(len(files)).random_sample((count, 4))
    photos = tuple(_photo(file, image_shape) for file in files)
    crops = Crops(photos, draws, image_shape)
    labels = np.zeros(count, np.int32)
    return kept_in_memory(
        OnDemand("photos", image_shape, crops, lambda j: f"crop {j}", labels)
    )


def _photo(file: str, image_shape: tuple[int, int, int]) -> Image.Image:
    """A photograph, no larger than its smallest crop needs: the rest is only slow."""
    height, width, channels = image_shape
    stored = Image.open(_located(file), formats=FORMATS)
    photo = stored.convert("L" if channels == 1 else "RGB")
    scale = max(width / photo.width, height / photo.height) / _SMALLEST
    if scale >= 1:
        return photo
    size = (round(photo.width * scale), round(photo.height * scale))
    return photo.resize(size, Image.Resampling.LANCZOS)


def _located(file: str) -> Path:
    """package/file -> its path, without the import of the package."""
    package, _, rest = file.partition("/")
    spec = find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or ():
        if (Path(folder) / rest).is_file():
            return Path(folder) / rest
    raise SettingError(
        "dataset",
        "photos",
        f"{file} is missing; run pip install --force-reinstall {_WHEELS[package]}",
    )
