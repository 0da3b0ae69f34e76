"""Classes by number and by name."""

import pytest

from pdm_tf.data.labels import find_labels, name_of
from pdm_tf.errors import SettingError

NAMES = ("cat", "dog", "great white shark, man-eater", "10", "0")


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("cat,dog", [0, 1]),
        ("dog,0,dog,4", [1, 0, 1, 4]),
        ("cat, dog ", [0, 1]),
        ("great white shark, man-eater", [2]),
        ("cat,great white shark, man-eater,1", [0, 2, 1]),
        ("10", [3]),  # no such number, and so a name
        ("5", [5]),  # none
        ("", []),
    ],
)
def test_numbers_and_names_may_be_mixed(text, labels):
    words = text.split(",") if text else []
    assert find_labels(words, 5, NAMES, null=True) == labels


def test_numbers_as_such_serve_too():
    assert find_labels((3, 0), 5) == [3, 0]
    assert [name_of(i, NAMES[:2]) for i in (0, 2)] == ["cat", "2"]


@pytest.mark.parametrize(
    ("words", "classes", "names", "remedy"),
    [
        (["dgo"], 5, NAMES, "labels=dgo: no such class; did you mean dog?"),
        (
            ["xyz"],
            5,
            NAMES,
            "labels=xyz: no such class; the model's classes are 0 to 4",
        ),
        (["cat"], 5, (), "labels=cat: the model's classes are 0 to 4, and"),
        (["5"], 5, (), "labels=5: the model's classes are 0 to 4, and"),
        ([-1], 5, (), "labels=-1: the model's classes are 0 to 4, and"),
        (["1.5"], 5, (), "labels=1.5: "),
        (["²"], 5, (), "labels=²: "),
        (["9" * 30], 5, (), "labels=9"),
        (["0", "cat"], 0, (), "labels=0,cat: the model has no classes; give none"),
    ],
)
def test_an_unknown_class_is_named_with_the_nearest(words, classes, names, remedy):
    with pytest.raises(SettingError) as caught:
        find_labels(words, classes, names)
    assert str(caught.value).startswith(remedy)
