"""A SavedModel is a program: what it holds is looked at before any of it runs."""

import json
import os

import pytest
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from toys import MixtureToy

from pdm_tf.config import SamplingConfig
from pdm_tf.errors import InputError
from pdm_tf.export import export_saved_model
from pdm_tf.export.saved_model import build_module
from pdm_tf.samplers import open_samplers
from pdm_tf.serving import open_generator
from pdm_tf.serving.description import read_description
from pdm_tf.storage.files import write_bytes
from pdm_tf.storage.sums import write_sums

STATIC = SamplingConfig(thresholding="static", variance="small")
SAID = {"image_shape": [8, 8, 1], "num_classes": 2, "timesteps": 1000}


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    path = tmp_path_factory.mktemp("plain") / "export"
    export_saved_model(MixtureToy(), path, "", STATIC, ["ddpm"])
    return path


def changed(directory, path, change):
    """A copy of an export with another graph."""
    (path / "variables").mkdir(parents=True)
    for file in (directory / "variables").iterdir():
        (path / "variables" / file.name).write_bytes(file.read_bytes())
    model = SavedModel.FromString((directory / "saved_model.pb").read_bytes())
    change(model.meta_graphs[0])
    write_bytes(path / "saved_model.pb", model.SerializeToString())
    return path


def save_program(path, steal, target):
    """An export whose `sample` copies a file before it draws."""
    samplers = open_samplers(["ddpm"], "small")
    module, signatures = build_module(MixtureToy(), "", STATIC, samplers)
    inner = signatures["sample"]

    @tf.function(input_signature=inner.input_signature, autograph=False)
    def sample(seeds, labels, steps, guidance):
        tf.io.write_file(str(target), tf.io.read_file(str(steal)))
        return inner(seeds, labels, steps, guidance)

    module.sample = sample
    tf.saved_model.save(module, str(path), {**signatures, "sample": sample})
    write_sums(path)


def test_a_program_is_refused_before_it_runs_unless_trusted(tmp_path):
    secret, copy = tmp_path / "secret", tmp_path / "copy"
    secret.write_text("secret")
    save_program(tmp_path / "export", secret, copy)
    with pytest.raises(InputError, match=r"ReadFile, WriteFile.*trust_model") as error:
        open_generator("model", tmp_path / "export")
    assert "\n" not in str(error.value)
    assert not copy.exists()
    generator = open_generator("model", tmp_path / "export", trust=True)
    generator.generate([0], [0], 2, 1.0, "ddpm")
    assert copy.read_text() == "secret"


def hide_in_a_function(meta):
    function = meta.graph_def.library.function[0]
    function.node_def.add(name="x", op="EagerPyFunc")


def write_while_restoring(meta):
    node = meta.graph_def.node.add(name="written", op="SaveV2")
    meta.saver_def.restore_op_name = node.name


def read_while_sampling(meta):
    meta.graph_def.node.add(name="read", op="RestoreV2")
    meta.signature_def["sample"].outputs["more"].name = "read:0"


def begin_by_saving(meta):
    meta.graph_def.node.add(name="saved", op="MergeV2Checkpoints")
    meta.collection_def["saved_model_main_op"].node_list.value[:] = ["saved"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (hide_in_a_function, "EagerPyFunc"),
        (write_while_restoring, "SaveV2"),
        (read_while_sampling, "RestoreV2"),
        (begin_by_saving, "MergeV2Checkpoints"),
    ],
)
def test_operations_are_found_wherever_they_are(change, named, directory, tmp_path):
    path = changed(directory, tmp_path / "made", change)
    with pytest.raises(InputError, match=named):
        open_generator("model", path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"image_shape": None},
        {"image_shape": [8, 8]},
        {"image_shape": "8,8,1"},
        {"image_shape": [8.0, 8, 1]},
        {"image_shape": [8, -8, 1]},
        {"image_shape": [10**9, 10**9, 3]},
        {"image_shape": [60_000, 60_000, 3]},
        {"num_classes": "10"},
        {"num_classes": -1},
        {"num_classes": float("nan")},
        {"timesteps": 0},
        {"timesteps": True},
        {"timesteps": 10**12},
        {"sampling": []},
        {"sampling": {"sample_guidance": float("nan")}},
        {"sampling": {"sample_guidance": "1.5"}},
        {"samplers": []},
        {"samplers": {"ddpm": 1}},
        {"samplers": {"ddpm": {"evaluations": None}}},
    ],
)
def test_a_description_of_wrong_kinds_is_refused(wrong):
    assert read_description(json.dumps(SAID)) == SAID
    name = next(iter(wrong))
    named = "sampl" if name.startswith("sampl") else name
    with pytest.raises(InputError, match=rf"{named}|evaluations"):
        read_description(json.dumps(SAID | wrong))


@pytest.mark.parametrize("text", ["", "[]", "{", "{}", "1", '{"image_shape": 1}'])
def test_no_description_is_refused(text):
    with pytest.raises(InputError):
        read_description(text)


def pipe(path):
    os.mkfifo(path)


def sparse(path):
    path.write_bytes(b"\x08\x01")
    os.truncate(path, 2**36)


def holes(path):
    path.write_bytes(b"\x08\x01")
    os.truncate(path, 2**27)


@pytest.mark.parametrize(
    "make",
    [
        pipe,
        sparse,
        holes,
        os.mkdir,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"\x08\x01"),
        lambda path: path.write_bytes(b"\x08\x01\xff"),
        lambda path: path.write_text("a text"),
        lambda path: path.symlink_to("/dev/zero"),
    ],
)
def test_a_file_that_is_no_graph_is_refused_at_once(make, tmp_path):
    (tmp_path / "model").mkdir()
    make(tmp_path / "model" / "saved_model.pb")
    with pytest.raises(InputError, match="model") as error:
        open_generator("model", tmp_path / "model")
    assert "\n" not in str(error.value)
