"""Classes of folders: names of one line, numbers in order, the order of old runs."""

import numpy as np
import pytest
from PIL import Image

from pdm_tf.config import InputError
from pdm_tf.data.classes import class_name, ordered_classes, relabelled
from pdm_tf.data.imagenet_names import imagenet_names
from pdm_tf.data.labels import find_labels
from pdm_tf.data.sources import open_source
from pdm_tf.errors import printable

SHAPE = (4, 4, 1)
HOSTILE = [
    "a\nb",
    "a\rb",
    "\x1b[31mred",
    "caf\udce9",
    " a",
    "b ",
    "\u2028",
    "\u202eabc",
]


def paint(root, names):
    """One picture a class; its grey level is its place in the list."""
    for level, name in enumerate(names):
        (root / name).mkdir(parents=True)
        Image.new("L", (4, 4), level).save(root / name / "1.png")
    return f"folder:{root}"


@pytest.mark.parametrize("name", HOSTILE)
def test_a_class_is_one_printable_line_without_blank_ends(name):
    shown = class_name(name)
    assert (
        shown.isprintable() and shown == shown.strip() and len(shown.split("\n")) == 1
    )
    shown.encode("utf-8")


@pytest.mark.parametrize(
    "name", ["cat", "Köln, 50 %", "日本", "a\\nb", "می\u200cخواهم"]
)
def test_what_can_be_read_stays_as_it_is(name):
    assert class_name(name) == printable(name) == name


def test_numbers_are_in_order_and_the_order_is_told(tmp_path, capsys):
    numbers = [str(n) for n in range(1, 13)]
    source = open_source(paint(tmp_path, numbers), SHAPE, 12)
    assert source.class_names == tuple(numbers)
    pictures, labels = source.read(np.arange(12))
    assert (pictures[:, 0, 0, 0] == labels).all()
    assert "0 is 1, 1 is 2, 2 is 3, …, 11 is 12" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        (["10", "2", "01", "1"], ["01", "1", "2", "10"]),
        (["class_10", "class_2"], ["class_2", "class_10"]),
        (["v2", "w10", "v10"], ["v10", "v2", "w10"]),  # not numbers of one kind
        (["9" * 5000, "1"], ["1", "9" * 5000]),
    ],
)
def test_order(folders, expected):
    assert list(ordered_classes("folder:x", folders)) == expected


def test_names_that_look_the_same_are_refused():
    with pytest.raises(InputError, match="two of its classes"):
        ordered_classes("folder:x", ["a\nb", "a\\nb"])


def test_a_newline_in_a_class_folder_makes_no_further_class(tmp_path):
    source = open_source(paint(tmp_path, ["a\nb", "c"]), SHAPE, 2)
    assert source.class_names == ("a\\nb", "c")


def test_an_old_run_keeps_the_labels_it_learnt(tmp_path):
    source = open_source(paint(tmp_path, ["1", "10", "2"]), SHAPE, 3)
    assert source.class_names == ("1", "2", "10")
    old = relabelled(source, ("1", "10", "2"))
    assert old.class_names == ("1", "10", "2")
    pictures, labels = old.read(np.arange(3))
    assert (pictures[:, 0, 0, 0] == labels).all()
    assert relabelled(source, ("1", "3")) is source


def test_imagenets_classes_have_their_names():
    names = imagenet_names()
    assert len(names) == 1000 and names[207] == "golden retriever"
    assert find_labels(["golden retriever", "tench"], 1000, names) == [207, 0]
