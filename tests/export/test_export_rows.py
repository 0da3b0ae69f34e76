"""Signatures with a value a picture: what the others give, row by row, to the bit."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from toys import GaussianToy, MixtureToy

from pdm_tf.export import export_saved_model
from pdm_tf.serving.operations import find_untrusted
from pdm_tf.serving.row_signatures import png_signature
from pdm_tf.serving.saved_graph import read_meta_graph

ROWS = {  # three pairs of steps and guidance, not one after the other
    "seeds": [5, 6, 9, 5, 7, 2**31 - 1],
    "labels": [1, 0, 1, 2, 0, 1],
    "steps": [4, 3, 4, 3, 4, 3],
    "guidance": [1.5, 1.0, 1.5, 1.0, 3.0, 1.0],
}
KINDS = {"guidance": tf.float32}


def tensors(inputs):
    return {n: tf.constant(v, KINDS.get(n, tf.int32)) for n, v in inputs.items()}


SAMPLERS = ["ddpm", "dpm_solver_sde", "plms"]


@pytest.fixture(scope="module")
def loaded(parted, sampling, tmp_path_factory):
    directory = tmp_path_factory.mktemp("rows") / "export"
    export_saved_model(parted, directory, "", sampling, SAMPLERS, served=True)
    assert find_untrusted(read_meta_graph(directory)) == []
    return tf.saved_model.load(str(directory))


def one_by_one(signatures, end=""):
    """Each row by the signature with one value for all."""
    made = []
    for seed, label, steps, guidance in zip(*ROWS.values(), strict=True):
        inputs = {"seeds": [seed], "labels": [label]}
        inputs |= {"steps": steps, "guidance": guidance}
        made.append(signatures[f"sample{end}"](**tensors(inputs))["images"])
    return np.concatenate(made)


@pytest.mark.parametrize("end", ["", "_dpm_solver_sde", "_plms"])
def test_rows_are_what_each_would_be_alone_to_the_bit(end, loaded):
    wanted = one_by_one(loaded.signatures, end)
    made = loaded.signatures[f"sample_rows{end}"](**tensors(ROWS))["images"].numpy()
    assert len({row.tobytes() for row in wanted}) > 3
    np.testing.assert_array_equal(made, wanted)


def test_rows_may_come_in_any_order_and_number(loaded):
    wanted = one_by_one(loaded.signatures)
    order = [3, 0, 5, 4]
    some = {name: [values[i] for i in order] for name, values in ROWS.items()}
    made = loaded.signatures["sample_rows"](**tensors(some))["images"]
    np.testing.assert_array_equal(made, wanted[order])
    none = loaded.signatures["sample_rows"](**tensors({name: [] for name in ROWS}))
    assert none["images"].shape == (0, *wanted.shape[1:])


def test_png_holds_the_same_bytes(loaded):
    files = loaded.signatures["sample_png"](**tensors(ROWS))["png_bytes"].numpy()
    wanted = one_by_one(loaded.signatures)
    for file, picture in zip(files, wanted, strict=True):
        read = np.asarray(Image.open(io.BytesIO(file)))
        np.testing.assert_array_equal(read, picture.squeeze())


def test_every_sampler_has_them(loaded):
    names = set(loaded.signatures)
    ends = {"", *(f"_{name}" for name in SAMPLERS[1:])}
    assert {f"sample_rows{end}" for end in ends} <= names
    assert {f"sample_png{end}" for end in ends} <= names


def test_signatures_of_before_are_as_they_were(loaded):
    kinds = {"seeds": "i", "labels": "i", "steps": "i", "guidance": "f"}
    for name, shapes in (
        ("sample", {"seeds": 1, "labels": 1, "steps": 0, "guidance": 0}),
        ("sample_rows", dict.fromkeys(kinds, 1)),
    ):
        _, specs = loaded.signatures[name].structured_input_signature
        assert {n: spec.shape.rank for n, spec in specs.items()} == shapes
        assert {
            n: spec.dtype.as_numpy_dtype().dtype.kind for n, spec in specs.items()
        } == kinds


@pytest.mark.parametrize(
    ("which", "value"),
    [
        ("steps", [0, 3, 4, 3, 4, 3]),
        ("steps", [4]),
        ("guidance", [1.5, 1.0, 1.5, np.nan, 3.0, 1.0]),
        ("guidance", [1.5]),
        ("labels", [1, 0, 1, 2, 0, 9]),
        ("labels", [1]),
    ],
)
def test_what_is_out_of_range_is_refused_and_named(which, value, loaded):
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=f"{which} must|as many {which}"
    ):
        loaded.signatures["sample_rows"](**tensors(ROWS | {which: value}))


def test_a_model_without_classes_takes_any_labels(tmp_path):
    toy = GaussianToy()
    toy.num_classes = 0
    export_saved_model(toy, tmp_path / "plain", samplers=["ddim"], served=True)
    assert find_untrusted(read_meta_graph(tmp_path / "plain")) == []
    signatures = tf.saved_model.load(str(tmp_path / "plain")).signatures
    rows = ROWS | {"labels": [99] * 6}
    made = signatures["sample_rows"](**tensors(rows))["images"]
    again = signatures["sample_rows"](**tensors(ROWS))["images"]
    np.testing.assert_array_equal(made, again)


def test_pictures_that_png_cannot_hold_have_no_such_signature():
    toy = MixtureToy()
    toy.image_shape = (4, 4, 5)
    assert png_signature(toy, lambda *_: {}) is None


def test_what_it_says_of_itself_comes_for_each_row(loaded):
    (text,) = set(
        loaded.signatures["config_rows"](rows=tf.zeros([3], tf.int32))["config"].numpy()
    )
    assert text == loaded.signatures["config"]()["config"].numpy()
