"""Draws pictures from a SavedModel, plainly and inside a tf.data pipeline.

Needs TensorFlow and the files of an export, nothing else: neither pdm_tf nor Keras.

    python examples/serve_in_tf_data.py --savedmodel=runs/mnist/export --out=digits.png
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf


def open_model(directory: str) -> tuple[Any, dict[str, Any]]:
    """A SavedModel, and what it says about itself.

    Functions of tf.data run on the host, so its variables belong there too. Without
    tf.data leave the device out: the model then runs on an accelerator if there is one.
    """
    with tf.device("CPU:0"):
        model = tf.saved_model.load(directory)
    return model, json.loads(model.signatures["config"]()["config"].numpy())


def drawing(
    model: Any, classes: int, steps: int, guidance: float
) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """A function from seeds, int [N], to pictures uint8 [N, H, W, C] and labels [N]."""
    sample = model.signatures["sample"]

    def draw(seeds: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        seeds = tf.cast(seeds, tf.int32)
        labels = seeds % max(classes, 1)  # ignored by a model without classes
        drawn = sample(
            seeds=seeds,
            labels=labels,
            steps=tf.constant(steps),
            guidance=tf.constant(guidance),
        )
        return drawn["images"], labels

    return draw


def endless(draw: Callable, batch_size: int) -> tf.data.Dataset:
    """A data set of (picture, label) that never ends and never repeats itself."""
    seeds = tf.data.Dataset.range(2**31 - 1)
    return seeds.batch(batch_size).map(draw).unbatch().prefetch(batch_size)


def main() -> None:
    parser = argparse.ArgumentParser(description="Draws pictures from a SavedModel.")
    parser.add_argument("--savedmodel", required=True, help="directory of an export")
    parser.add_argument("--count", type=int, default=12, help="pictures to draw")
    parser.add_argument("--steps", type=int, default=25, help="steps of the sampler")
    parser.add_argument("--guidance", type=float, default=1.5, help="1 is none")
    parser.add_argument("--out", default="pictures.png", help="where the row goes")
    flags = parser.parse_args()

    model, about = open_model(flags.savedmodel)
    print(f"pictures of {about['image_shape']}, {about['num_classes'] or 'no'} classes")
    draw = drawing(model, about["num_classes"], flags.steps, flags.guidance)

    plain, labels = draw(tf.range(flags.count))
    print(
        f"plainly: {plain.shape} {plain.dtype.name}, labels {labels.numpy().tolist()}"
    )

    # A pipeline may batch as it likes: a picture depends on its own seed alone.
    pictures = endless(draw, batch_size=4).take(flags.count).batch(flags.count)
    piped, _ = next(iter(pictures))
    apart = tf.reduce_max(tf.abs(tf.cast(plain, tf.int32) - tf.cast(piped, tf.int32)))
    print(f"in tf.data: {piped.shape}, {apart} grey levels from those at most")

    row = tf.concat(tf.unstack(piped), axis=1)
    Path(flags.out).write_bytes(tf.io.encode_png(row).numpy())
    print(f"look at {flags.out}")


if __name__ == "__main__":
    main()
