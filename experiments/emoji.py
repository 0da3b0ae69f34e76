"""What is measured of emoji that a model made: their classes, and copies among them.

The judge is a small classifier that sees the emoji in other renderings: smaller, and
anywhere on the picture.
"""

from pathlib import Path

import keras
import numpy as np
from tqdm import tqdm

from pdm_tf.data.emoji import NAMES
from pdm_tf.data.images import contact_sheet, save_png
from pdm_tf.data.sources import open_source
from pdm_tf.evaluation.metrics.memorisation import memorised_share, nearest

SIDE, SMALLER = 64, (50, 54, 58, 62)  # of a model's pictures, of the judge's [pixels]
ROUNDS, BATCH = 60, 64
PAIRS, COLUMNS = 16, 8  # of copies on the sheet


def real(split: str = "train") -> tuple[np.ndarray, np.ndarray]:
    """Emoji as models see them, uint8 [N, 64, 64, 3], and their groups."""
    return rendered(SIDE, split)


def rendered(side: int, split: str = "train") -> tuple[np.ndarray, np.ndarray]:
    """Emoji of a size, and their groups."""
    source = open_source("emoji", (side, side, 3), len(NAMES), split)
    return source.read(np.arange(len(source)))


def placed(pictures: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Smaller pictures, each somewhere on a white one: float32 in [0, 1]."""
    side = pictures.shape[1]
    whole = np.ones([len(pictures), SIDE, SIDE, 3], np.float32)
    corners = rng.integers(0, SIDE - side + 1, [len(pictures), 2])
    for canvas, picture, (y, x) in zip(whole, pictures, corners, strict=True):
        canvas[y : y + side, x : x + side] = picture / np.float32(255)
    return whole


class Judge:
    """Reads the groups of emoji."""

    def __init__(self) -> None:
        keras.utils.set_random_seed(0)
        layers: list[keras.layers.Layer] = [keras.Input([SIDE, SIDE, 3])]
        for width in (32, 64, 128, 128):
            layers += [
                keras.layers.Conv2D(width, 3, 2, "same", use_bias=False),
                keras.layers.BatchNormalization(),
                keras.layers.ReLU(),
            ]
        layers += [keras.layers.Flatten(), keras.layers.Dropout(0.3)]
        self._model = keras.Sequential([*layers, keras.layers.Dense(len(NAMES))])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        steps = ROUNDS * len(SMALLER) * (len(real()[0]) // BATCH + 1)
        rate = keras.optimizers.schedules.CosineDecay(2e-3, steps)
        self._model.compile(keras.optimizers.Adam(rate), loss)
        rng = np.random.default_rng(0)
        renderings = [rendered(side) for side in SMALLER]
        for _ in tqdm(range(ROUNDS), "judge", disable=None):
            for pictures, labels in renderings:
                shown = placed(pictures, rng)
                self._model.fit(shown, labels, BATCH, 1, verbose=0)

    def share(self, pictures: np.ndarray, labels: np.ndarray) -> float:
        """Of pictures, uint8, those that are read as the group that was asked for."""
        logits = self._model.predict(pictures / np.float32(255), BATCH, verbose=0)
        return float(np.mean(np.argmax(logits, axis=1) == labels))


def copies(pictures: np.ndarray, path: Path) -> tuple[float, float]:
    """Share of copies among pictures, and of the same among emoji held out.

    A copy is a third as far from the nearest training picture as from the second. The
    sheet shows the nearest pairs: pictures, and below each its nearest.
    """
    known = real()[0]
    flat = known.reshape(len(known), -1) / np.float32(255)
    found = nearest(pictures.reshape(len(pictures), -1) / np.float32(255), flat)
    order = np.argsort(found.ratio, kind="stable")[:PAIRS]
    rows = []
    for part in np.array_split(order, PAIRS // COLUMNS):
        rows += [pictures[part], known[found.number[part]]]
    save_png(path, contact_sheet(np.concatenate(rows), COLUMNS))
    held = real("test")[0]
    floor = nearest(held.reshape(len(held), -1) / np.float32(255), flat)
    return memorised_share(found), memorised_share(floor)


def figures(pictures: np.ndarray, sheet: Path) -> dict[str, str]:
    """Rows of the model's card."""
    judge, labels = Judge(), np.arange(len(pictures)) % len(NAMES)
    share, (copied, floor) = judge.share(pictures, labels), copies(pictures, sheet)
    return {
        "read as the group asked, by a classifier of other renderings": f"{share:.1%}",
        "the same of the training pictures": f"{judge.share(*real()):.1%}",
        "copies: a third as far from one training picture as from any other": (
            f"{copied:.1%}; of held-out emoji {floor:.1%}"
        ),
    }
