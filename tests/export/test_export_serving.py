"""TensorFlow Serving's layout: versions in folders of numbers, requests to warm up."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from pdm_tf.assemble import exporting
from pdm_tf.errors import InputError, SettingError
from pdm_tf.export import __main__ as command
from pdm_tf.export.versions import choose_version, versions
from pdm_tf.export.warm_up import FILE, encode_request
from pdm_tf.serving.saved_graph import read_meta_graph
from pdm_tf.storage.sums import check_sums, list_names


@pytest.fixture(scope="module")
def models(tmp_path_factory, tiny_run):
    """A model's folder with its first version, as the command leaves it."""
    folder = tmp_path_factory.mktemp("models") / "pdm"
    argv = f"export --model={tiny_run} --serving_dir={folder}/1 --sampler=ddim"
    command.main(argv.split())
    return folder


def logged(directory):
    """The requests in a version, by their signatures, read by Serving's own package."""
    package = pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2")
    found = {}
    for record in tf.data.TFRecordDataset(str(Path(directory) / FILE)):
        log = package.PredictionLog.FromString(record.numpy())
        assert log.WhichOneof("log_type") == "predict_log"
        request = log.predict_log.request
        found[request.model_spec.signature_name] = {
            name: tf.make_ndarray(value) for name, value in request.inputs.items()
        }
    return found


def test_a_version_is_an_export_and_nothing_lies_beside_it(models):
    assert [path.name for path in models.iterdir()] == ["1"]
    assert check_sums(models / "1") and FILE in list_names(models / "1")


def test_every_signature_with_inputs_is_warmed_up(models):
    requests = logged(models / "1")
    said = read_meta_graph(models / "1").signature_def
    assert set(requests) == set(said) - {"config", "__saved_model_init_op"}
    for name, inputs in requests.items():
        taken = {n: tf.dtypes.as_dtype(i.dtype) for n, i in said[name].inputs.items()}
        assert {n: tf.dtypes.as_dtype(v.dtype) for n, v in inputs.items()} == taken
    assert requests["sample"]["steps"] == 2 and requests["sample"]["guidance"] > 0
    assert requests["sample_rows"]["steps"].tolist() == [2]


@pytest.mark.slow
def test_what_warms_up_is_answered(models):
    signatures = tf.saved_model.load(str(models / "1")).signatures
    for name, inputs in logged(models / "1").items():
        made = signatures[name](**{n: tf.constant(v) for n, v in inputs.items()})
        assert all(len(value) == 1 for value in made.values())


def test_messages_are_those_of_serving_s_own_package():
    package = pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2")
    name, value = "s" * 200, np.arange(500, dtype=np.int32)  # lengths of two bytes
    wanted = package.PredictionLog()
    request = wanted.predict_log.request
    request.model_spec.signature_name = name
    request.inputs["seeds"].CopyFrom(tf.make_tensor_proto(value))
    assert encode_request(name, {"seeds": tf.constant(value)}) == (
        wanted.SerializeToString(deterministic=True)
    )


def test_the_model_s_folder_gets_its_next_version(models, tmp_path):
    assert choose_version("serving_dir", models) == models / "2"
    assert choose_version("serving_dir", tmp_path / "new") == tmp_path / "new" / "1"
    for name in ("9", "10", "notes", "007x"):
        (tmp_path / name).mkdir()
    assert versions(tmp_path) == [9, 10] and versions(tmp_path / "none") == []
    assert choose_version("serving_dir", tmp_path) == tmp_path / "11"
    assert choose_version("serving_dir", tmp_path / "3") == tmp_path / "3"


def test_a_version_that_is_there_is_not_replaced(models):
    with pytest.raises(SettingError, match=f"serving_dir={models}/2"):
        exporting.export_for_serving("pretrained:mnist", models / "1", ["ddim"])


@pytest.mark.parametrize("name", ["01", "9223372036854775808"])
def test_a_version_that_serving_cannot_read_is_refused(name, tmp_path):
    with pytest.raises(SettingError, match="without zeros"):
        choose_version("serving_dir", tmp_path / name)


@pytest.mark.parametrize("more", ["--format=litert", "--export_dir=there"])
def test_serving_takes_a_savedmodel_in_one_place(more, tmp_path):
    argv = ["export", "--model=pretrained:mnist", f"--serving_dir={tmp_path}/1", more]
    with pytest.raises(InputError, match="serving_dir"):
        command.main(argv)
    assert not list(tmp_path.iterdir())
