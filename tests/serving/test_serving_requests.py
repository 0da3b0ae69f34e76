"""What an export refuses inside its own graph, whoever calls it."""

import numpy as np
import pytest
import tensorflow as tf
from toys import GaussianToy, MixtureToy

from pdm_tf.config import SamplingConfig
from pdm_tf.errors import InputError
from pdm_tf.export import export_saved_model
from pdm_tf.serving import DenoiserGenerator, open_generator
from pdm_tf.serving.litert_network import LitertNetwork

STATIC = SamplingConfig(thresholding="static", variance="small")
GOOD = {"seeds": [1, 2], "labels": [0, 1], "guidance": 1.5}
BY_STEPS, BY_TIMES = GOOD | {"steps": 3}, GOOD | {"timesteps": [999, 500, 0]}
Z = np.zeros([2, *MixtureToy().image_shape], np.float32)
ESTIMATE = {"z": Z, "t": [0, 999], "labels": [0, 2]}
WRONG = [
    *(("sample", "labels", v) for v in ([0, 3], [-1, 0], [0, 2**31 - 1])),
    *(("sample", "labels", v) for v in ([0], [0, 1, 1])),
    *(("sample", "steps", v) for v in (0, -1, 1001, 2**31 - 1)),
    *(("sample", "guidance", v) for v in (np.nan, np.inf, -np.inf)),
    *(("sample_at", "timesteps", v) for v in ([1000, 0], [5, -1], [0, 5], [5, 5], [])),
    ("sample_at", "labels", [3, 0]),
    ("sample_at", "guidance", np.nan),
    *(("denoise", "t", v) for v in ([0, 1000], [-1, 0])),
    *(("denoise", "labels", v) for v in ([0, 3], [-2, 0])),
]


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    path = tmp_path_factory.mktemp("checked") / "export"
    export_saved_model(MixtureToy(), path, "", STATIC, ["ddpm"])
    return path


@pytest.fixture(scope="module")
def signatures(directory):
    loaded = tf.saved_model.load(str(directory))
    kinds = {"guidance": tf.float32, "z": tf.float32}

    def call(name, request):
        kind = {k: kinds.get(k, tf.int32) for k in request}
        made = {k: tf.convert_to_tensor(v, kind[k]) for k, v in request.items()}
        return loaded.signatures[name](**made)

    return call


def good(name):
    return {"sample": BY_STEPS, "sample_at": BY_TIMES, "denoise": ESTIMATE}[name]


@pytest.mark.parametrize(("name", "which", "value"), WRONG)
def test_what_is_out_of_range_is_refused_and_named(name, which, value, signatures):
    signatures(name, good(name))
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=f"{which} must|as many {which}"
    ):
        signatures(name, good(name) | {which: value})


def test_the_ends_of_the_ranges_are_served(signatures):
    signatures("sample", BY_STEPS | {"steps": 1, "labels": [0, 2]})
    signatures("sample_at", BY_TIMES | {"timesteps": [7]})
    signatures("denoise", ESTIMATE | {"t": [999, 0]})


def test_without_classes_labels_are_not_looked_at():
    toy = GaussianToy()
    toy.num_classes = 0
    made = DenoiserGenerator(toy, STATIC)
    seeds = np.array([1, 2])
    pictures = made.generate(seeds, np.array([7, -3]), 2, 1.0, "ddpm")
    again = made.generate(seeds, np.array([0, 0]), 2, 1.0, "ddpm")
    np.testing.assert_array_equal(pictures, again)


def test_xla_compiles_what_is_checked(signatures):
    compiled = tf.function(
        lambda t: signatures("denoise", ESTIMATE | {"t": t}), jit_compile=True
    )
    wanted = signatures("denoise", ESTIMATE)["x"]
    found = compiled(tf.constant([0, 999]))["x"]
    np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("which", ["labels", "guidance"])
def test_our_reader_says_it_in_one_line(which, directory):
    generator = open_generator("model", directory)
    request = {"labels": np.array([0, 1]), "guidance": 1.5}
    request |= {which: np.array([0, 9]) if which == "labels" else np.nan}
    with pytest.raises(InputError, match=f"{which} must be") as error:
        generator.generate(np.array([1, 2]), steps=2, sampler="ddpm", **request)
    assert "\n" not in str(error.value)


def test_a_litert_file_s_reader_checks_what_the_file_does_not():
    network = object.__new__(LitertNetwork)
    network._highest = {"t": 999, "labels": 10}
    rows = np.array([0])
    for t, labels in ((rows + 1000, rows), (rows, rows + 11), (rows - 1, rows)):
        with pytest.raises(InputError, match="must be from 0 to"):
            network(np.zeros([1, 4, 4, 1], np.float32), t, labels)
