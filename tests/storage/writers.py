"""The writers of every room, each with what it replaces and what reads it."""

import json
from pathlib import Path

import numpy as np
from fault_injection import Writer

from pdm_tf.storage import arrays, directories, files, images, npz

OLD, NEW = np.zeros((9, 9, 1), np.uint8), np.full((9, 9, 1), 7, np.uint8)


def of_file(write, read, old=OLD, new=NEW):
    """A writer of one file, in a folder that it makes."""
    return Writer(
        lambda folder: write(folder / "in" / "file", old),
        lambda folder: write(folder / "in" / "file", new),
        lambda folder: read(folder / "in" / "file"),
    )


def read_npz(path):
    with np.load(path) as stored:
        return {name: stored[name].tolist() for name in stored.files}


def write_blocks(path, array):
    npz.write_npz_in_blocks(
        path, {"a": npz.Blocks(array.shape, array.dtype, [array[:4], array[4:]])}
    )


def read_arrays(path):
    return {name: array.tolist() for name, array in arrays.read_arrays(path).items()}


def new_file():
    """A file where there was none, in folders that are made."""

    def read(folder):
        path = folder / "a" / "b" / "file"
        return path.read_text() if path.exists() else "nothing"

    return Writer(
        lambda folder: None,
        lambda folder: files.write_text(folder / "a" / "b" / "file", "new"),
        read,
    )


def directory(exchange=True):
    """A directory of two files, of one kind."""

    def write(folder, text):
        whole, directories._exchange = directories._exchange, step
        try:
            with directories.appearing_directory(folder / "it") as new:
                for name in ("one", "two"):
                    (new / name).write_text(text)
        finally:
            directories._exchange = whole

    def read(folder):
        directories.recover(folder / "it")
        return sorted((f.name, f.read_text()) for f in (folder / "it").iterdir())

    step = directories._exchange if exchange else lambda *_: False
    return Writer(lambda f: write(f, "old"), lambda f: write(f, "new"), read)


def checkpoint():
    """A run's second checkpoint, where one is kept."""
    import tensorflow as tf

    from pdm_tf.training.averages import load_average
    from pdm_tf.training.checkpoints import Checkpoints
    from pdm_tf.training.ema import MovingAverage
    from pdm_tf.training.optimizer import Adam
    from pdm_tf.training.rates import LearningRate

    w = tf.Variable(tf.zeros([5]))
    step = tf.Variable(0, dtype=tf.int64)
    average = MovingAverage({"w": w})
    adam = Adam({"w": w}, LearningRate(1e-3, 1), 0.9, 0.99)

    def save(folder, value):
        step.assign(value)
        average.weights["w"].assign(tf.fill([5], float(value)))
        kept = Checkpoints(folder / "checkpoints", {"w": w}, adam, average, step, 1)
        kept.save()

    def read(folder):
        found = tf.Variable(tf.zeros([5]))
        number = load_average(folder / "checkpoints", {"w": found})
        return number, found.numpy().tolist()

    return Writer(lambda folder: save(folder, 1), lambda folder: save(folder, 2), read)


def saved_model():
    """An export, of a module that is quickly written."""
    import tensorflow as tf

    from pdm_tf.storage.sums import check_sums, write_sums

    def write(folder, value):
        module = tf.Module()
        module.w = tf.Variable(float(value))
        signature = tf.function(lambda: {"w": module.w + 0.0}, input_signature=[])
        module.f = signature
        with directories.appearing_directory(folder / "export") as new:
            tf.saved_model.save(module, str(new), signature)
            write_sums(new)

    def read(folder):
        directories.recover(folder / "export")
        assert check_sums(folder / "export")
        return float(tf.saved_model.load(str(folder / "export")).w)

    return Writer(
        lambda folder: write(folder, 1), lambda folder: write(folder, 2), read
    )


def record():
    """The record of a run."""
    from dataclasses import replace

    from pdm_tf.assemble.runs import read_settings, write_settings
    from pdm_tf.config import Config

    def write(folder, iterations):
        config = Config()
        own = replace(
            config.training, run_dir=str(folder / "run"), iterations=iterations
        )
        write_settings(replace(config, training=own))

    return Writer(
        lambda folder: write(folder, 100),
        lambda folder: write(folder, 200),
        lambda folder: read_settings(folder / "run").training.iterations,
    )


def samples():
    """Samples of a generator, from the first to the last file."""
    from pdm_tf.config import SampleConfig
    from pdm_tf.serving.client import write_samples

    class Generator:
        image_shape, num_classes, samplers, guidance = (9, 9, 1), 0, ("ddpm",), 1.0

        def __init__(self):
            self.description = {"digest": "0" * 64, "class_names": []}

        def check(self, sampler, steps): ...

        def evaluations(self, sampler, steps):
            return 1

        def generate(self, seeds, labels, steps, guidance, sampler):
            return np.tile(seeds.astype(np.uint8)[:, None, None, None], (1, 9, 9, 1))

    def write(folder):
        config = SampleConfig(
            out_dir=str(folder / "out"), num_images=4, batch_size=2, steps="1"
        )
        write_samples(Generator(), config)

    def read(folder):
        path = folder / "out" / "samples.npz"
        return read_npz(path)["arr_0"] if path.exists() else "nothing"

    return Writer(lambda folder: None, write, read)


WRITERS = {
    "in place": lambda: of_file(
        lambda path, array: (path.parent.mkdir(exist_ok=True), np.save(path, array)),
        lambda path: np.load(path.with_name("file.npy")).tolist(),
    ),
    "text": lambda: of_file(
        lambda path, array: files.write_text(path, str(array)), Path.read_text
    ),
    "json": lambda: of_file(
        lambda path, array: files.write_json(path, array.tolist()),
        lambda path: json.loads(path.read_text()),
    ),
    "npy": lambda: of_file(files.write_npy, lambda path: np.load(path).tolist()),
    "npz": lambda: of_file(
        lambda path, array: files.write_npz(path, {"a": array}), read_npz
    ),
    "npz in blocks": lambda: of_file(write_blocks, read_npz),
    "arrays": lambda: of_file(
        lambda path, array: arrays.write_arrays(path, {"a": array}), read_arrays
    ),
    "png": lambda: of_file(images.write_png, Path.read_bytes),
    "new file": new_file,
    "directory": directory,
    "directory in two steps": lambda: directory(exchange=False),
    "record": record,
    "checkpoint": checkpoint,
    "saved model": saved_model,
    "samples": samples,
}
