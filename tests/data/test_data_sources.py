"""The one way to open a source, and what it says of requests it cannot meet."""

import pytest

from pdm_tf.config import InputError
from pdm_tf.data.sources import open_source


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cifar", (32, 32, 3)), "dataset=cifar.*mnist, photos, emoji, folder"),
        (("mnist:x", (32, 32, 1)), "dataset=mnist:x"),
        (("photos:x", (32, 32, 3)), "dataset=photos:x"),
        (("mnist", (32, 32, 2)), "image_shape=32,32,2"),
        (("mnist", (32, 32)), "image_shape=32,32:"),
        (("mnist", (32, 32, 1), 7), "num_classes=7.*10 classes.*num_classes=10"),
        (("photos", (32, 32, 3), 4), "num_classes=4.*num_classes=0"),
        (("mnist", (32, 32, 1), 10, "dev"), "split=dev"),
    ],
)
def test_wrong_requests_are_answered_in_one_line(arguments, message):
    with pytest.raises(InputError, match=message) as caught:
        open_source(*arguments)
    assert "\n" not in str(caught.value)
