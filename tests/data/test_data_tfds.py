"""Prepared data sets: what is read, in which order, and what is said of faults."""

import io
import itertools

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from pdm_tf.config import InputError
from pdm_tf.data import tfds as reading_tfds
from pdm_tf.data.images import read_picture
from pdm_tf.data.pipeline import training_batches
from pdm_tf.data.sources import open_source

SHAPE = (8, 12, 3)
CLASSES = ("cat", "dog", "eel")
SIZES = {"train": 23, "validation": 5}


class TinyPictures(tfds.core.GeneratorBasedBuilder):
    """Written by the library's own writer: jpgs of many sizes, and further features."""

    VERSION = tfds.core.Version("1.2.0")
    fetched = 0

    def _info(self):
        features = {
            "id": tfds.features.Text(),
            "image": tfds.features.Image(),
            "label": tfds.features.ClassLabel(names=CLASSES),
            "weight": np.float32,
        }
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features)
        )

    def _split_generators(self, manager):
        TinyPictures.fetched += 1
        return {split: self._generate(split) for split in SIZES}

    def _generate_examples(self):
        raise NotImplementedError

    def _generate(self, split):
        random = np.random.default_rng(len(split))
        for k in range(SIZES[split]):
            x = random.integers(0, 256, (*random.integers(9, 30, 2), 3), np.uint8)
            data = io.BytesIO()
            Image.fromarray(x).save(data, "JPEG")
            data.seek(0)
            label = CLASSES[k % 3]
            yield f"{k}", {"id": f"{k}", "image": data, "label": label, "weight": 0.5}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    path = tmp_path_factory.mktemp("tensorflow_datasets")
    TinyPictures(data_dir=str(path)).download_and_prepare()
    return str(path)


@pytest.fixture(params=["in memory", "on demand"])
def memory(request, monkeypatch):
    """Both ways of holding a data set."""
    if request.param == "on demand":
        monkeypatch.setattr(reading_tfds, "kept_in_memory", lambda source: source)


def expected(data_dir, split):
    """Pictures and labels in the library's own order, decoded by us."""
    builder = tfds.builder("tiny_pictures", data_dir=data_dir)
    decoders = {"image": tfds.decode.SkipDecoding()}
    config = tfds.ReadConfig(interleave_cycle_length=1)
    found = list(
        builder.as_dataset(
            split=split, decoders=decoders, read_config=config
        ).as_numpy_iterator()
    )
    pictures = [read_picture(example["image"], SHAPE) for example in found]
    return np.stack(pictures), np.array([example["label"] for example in found])


def opened(data_dir, argument="tiny_pictures", num_classes=0, split="train", **options):
    dataset = f"tfds:{argument}"
    return open_source(dataset, SHAPE, num_classes, split, data_dir=data_dir, **options)


@pytest.mark.parametrize(
    ("argument", "split"),
    [
        ("tiny_pictures", "train"),
        ("tiny_pictures:1.2.0", "train"),
        ("tiny_pictures:train", "train"),
        ("tiny_pictures:1.2.0:validation", "validation"),
        ("tiny_pictures:train[3:11]", "train[3:11]"),
        ("tiny_pictures:train[80%:]", "train[80%:]"),
        ("tiny_pictures:validation+train[:4]", "validation+train[:4]"),
    ],
)
def test_the_records_of_a_split_are_read(argument, split, data_dir, memory):
    source = opened(data_dir, argument, 3)
    pictures, labels = expected(data_dir, split)
    assert len(source) == len(labels) and source.class_names == CLASSES
    shuffled = np.random.default_rng(0).permutation(len(labels))
    for order in (np.arange(len(labels)), shuffled, shuffled[:1]):
        found, classes = source.read(order)
        np.testing.assert_array_equal(found, pictures[order])
        np.testing.assert_array_equal(classes, labels[order])
        assert (found.dtype, classes.dtype) == (np.uint8, np.int32)


def test_a_directory_is_the_same_as_its_name(data_dir):
    path = f"{data_dir}/tiny_pictures/1.2.0"
    for argument in (path, f"{path}:train"):
        for one, other in zip(
            opened("", argument).read(np.arange(23)),
            opened(data_dir).read(np.arange(23)),
            strict=True,
        ):
            np.testing.assert_array_equal(one, other)


def test_test_pictures_are_those_held_out(data_dir):
    held_out, _ = opened(data_dir, split="test").read(np.arange(5))
    np.testing.assert_array_equal(held_out, expected(data_dir, "validation")[0])


def test_a_restart_goes_on_and_every_epoch_is_a_permutation(data_dir, memory):
    source = opened(data_dir)

    def batches(start, count):
        dataset = training_batches(source, 5, 7, start, horizontal_flip=True)
        return list(itertools.islice(dataset.as_numpy_iterator(), count))

    through = batches(0, 14)
    for step in (1, 9):
        for one, other in zip(batches(step, 14 - step), through[step:], strict=True):
            np.testing.assert_array_equal(one[0], other[0])
            np.testing.assert_array_equal(one[1], other[1])
    plain = training_batches(source, 23, 7).as_numpy_iterator()
    originals = sorted(x.tobytes() for x in expected(data_dir, "train")[0])
    for x, _ in itertools.islice(plain, 3):
        assert sorted(picture.tobytes() for picture in x) == originals


def test_nothing_is_fetched_unless_asked(tmp_path):
    before = TinyPictures.fetched
    with pytest.raises(InputError, match=r"dataset=tfds:tiny.*download"):
        opened(str(tmp_path))
    assert TinyPictures.fetched == before and not list(tmp_path.iterdir())
    assert len(opened(str(tmp_path), download=True)) == SIZES["train"]
    assert TinyPictures.fetched == before + 1
    opened(str(tmp_path), download=True)
    assert TinyPictures.fetched == before + 1


@pytest.mark.parametrize(
    ("argument", "options", "fault"),
    [
        ("", {}, "tfds:: there is no directory"),
        ("nowhere/at_all", {}, "no directory nowhere/at_all"),
        ("no_such_set", {}, "does not know no_such_set"),
        ("tiny_pictures:9.9.9", {}, "9.9.9"),
        ("tiny_pictures:dev", {}, "dev is no split.*train, validation"),
        ("tiny_pictures:train[9", {}, "no split"),
        ("tiny_pictures:train[:0]", {}, "is empty"),
        ("tiny_pictures:train", {"split": "test"}, "leave it out"),
        ("tiny_pictures", {"num_classes": 4}, "has 3 classes"),
    ],
)
def test_what_is_not_there_is_named(argument, options, fault, data_dir):
    with pytest.raises(InputError, match=fault) as caught:
        opened(data_dir, argument, **options)
    assert "\n" not in str(caught.value)


def test_directories_without_a_data_set_are_explained(data_dir, tmp_path):
    with pytest.raises(InputError, match=r"did you mean tfds:.*1\.2\.0\?"):
        opened("", f"{data_dir}/tiny_pictures")
    with pytest.raises(InputError, match=r"python -m pdm_tf\.data"):
        opened("", str(tmp_path))


def test_registered_names_are_not_fetched_either(tmp_path):
    with pytest.raises(InputError, match=r"cifar10.*not prepared.*download"):
        opened(str(tmp_path), "cifar10")
