"""Digits with thicker strokes: pictures, how thick they are, and a model tuned to them.

A style for which an adapter of another model is tried, see experiments.few_steps.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.ndimage import grey_dilation

from experiments.digits import CLASSES, SHAPE
from pdm_tf.assemble import open_model, train
from pdm_tf.config import DataConfig
from pdm_tf.data.images import save_png
from pdm_tf.data.sources import open_source

COUNT = 2000  # pictures that the model is tuned to
ITERATIONS = 300


def thickened(pictures: np.ndarray) -> np.ndarray:
    """Strokes two pixels wider: each pixel is the lightest of its 3x3 neighbours."""
    return grey_dilation(pictures, size=(1, 3, 3, 1))


def thickness(pictures: np.ndarray) -> np.ndarray:
    """Area of the strokes over the length of their skeletons, of each picture [pixels].

    Args:
      pictures: uint8 [N, H, W, 1], light strokes on dark ground.
    """
    from skimage.morphology import skeletonize  # an extra

    ink = pictures[..., 0] >= 128
    return np.array([area.sum() / max(skeletonize(area).sum(), 1) for area in ink])


def tune(base: str, out: Path) -> Path:
    """Trains a model on to thick digits, all of its weights; returns its directory.

    Goes on where it was stopped.
    """
    folder, run_dir = out / "thick-digits", out / "thick"
    pictures, labels = open_source("mnist", SHAPE, CLASSES).read(np.arange(COUNT))
    for i, picture in enumerate(thickened(pictures)):
        place = folder / str(labels[i]) / f"{i:05d}.png"
        if not place.is_file():
            place.parent.mkdir(parents=True, exist_ok=True)
            save_png(place, picture)
    settings = open_model(base).settings
    training = replace(
        settings.training,
        run_dir=str(run_dir),
        init_from=base,
        iterations=ITERATIONS,
        batch_size=32,
        learning_rate=5e-4,
        warmup=30,
        ema_every=3,
        sample_every=0,
        save_every=100,
        export=False,
    )
    data = DataConfig(dataset=f"folder:{folder}")
    if not train(replace(settings, data=data, training=training)):
        raise SystemExit(f"stopped and saved; the same command resumes {run_dir}")
    return run_dir
