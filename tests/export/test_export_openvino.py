"""From a run to an OpenVINO folder: compared first, left behind only if it is good."""

import json

import pytest
from tiny_models import small_denoiser
from tiny_runs import make_exported_run, make_reference
from toys import CountingToy

import pdm_tf as pdm
from pdm_tf.assemble import export_network
from pdm_tf.config import ExportConfig, InputError
from pdm_tf.export.__main__ import main
from pdm_tf.export.openvino import convert, write_openvino
from pdm_tf.serving import open_generator

pytest.importorskip("openvino")
UPSAMPLING = "ConvolutionBackpropData"


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory) -> str:
    return make_exported_run(tmp_path_factory.mktemp("openvino") / "run")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> str:
    return make_reference(tmp_path_factory.mktemp("reference") / "reference.npz")


def settings(run_dir, pictures, out, **others) -> ExportConfig:
    given = {"check_images": 4, "check_steps": "3", "sampler": ("ddim",)}
    given |= {"min_sqnr": 5.0, "max_distance_change": 50.0, "calibration_images": 2}
    given |= {"model": run_dir, "reference": pictures, "export_dir": str(out)}
    return ExportConfig(format="openvino", **given | others)


def test_a_folder_comes_with_its_report(run_dir, pictures, tmp_path):
    config = settings(run_dir, pictures, tmp_path / "it")
    folder, found = export_network(config, {"variance": "small"})
    files = {path.name for path in folder.iterdir()}
    assert files == {"model.xml", "model.bin", "report.json"}
    assert found.sqnr > 50
    report = json.loads((folder / "report.json").read_text())
    assert report["refused"] == [] and report["precision"] == "float32"
    generator = open_generator("model", folder)
    assert generator.description["sampling"]["variance"] == "small"
    assert "--beta_end=0.6" in generator.description["record"]


def test_what_fails_is_not_left_behind_and_bfloat16_halves_it(
    run_dir, pictures, tmp_path
):
    config = settings(
        run_dir, pictures, tmp_path / "it", precision="bfloat16", min_sqnr=100.0
    )
    with pytest.raises(InputError, match="dB is below min_sqnr=100"):
        export_network(config, {})
    assert [path.name for path in tmp_path.iterdir()] == ["it.refused.json"]
    report = json.loads((tmp_path / "it.refused.json").read_text())
    assert report["fidelity"]["sqnr"] > 15
    weights = 4 * report["model"]["parameters"]
    assert report["weights_bytes"] < 0.6 * weights


def test_a_folder_of_something_else_is_left_alone(run_dir, pictures, tmp_path):
    (tmp_path / "mine").write_text("something")
    config = settings(run_dir, pictures, tmp_path)
    with pytest.raises(InputError, match="no OpenVINO model"):
        export_network(config, {})
    assert (tmp_path / "mine").read_text() == "something"


@pytest.mark.parametrize(
    "flag, words",
    [
        ("--precision=bfloat16", "precision=bfloat16: .*format=openvino"),
        ("--quantize=dynamic_int8", "quantize=dynamic_int8: .*format=litert"),
    ],
)
def test_settings_of_another_format_are_refused(flag, words):
    with pytest.raises(InputError, match=words):
        main(["", "--model=any", flag])


def test_a_model_that_carries_state_is_refused(tmp_path):
    config = ExportConfig(format="openvino")
    with pytest.raises(InputError, match="format=savedmodel"):
        write_openvino(CountingToy(), tmp_path, pdm.SamplingConfig(), config)
    assert not list(tmp_path.iterdir())


def test_kernels_of_upsampling_are_turned_before_openvino_reads_them():
    model = convert(small_denoiser())  # its plan changes one of these kernels
    found = [op for op in model.get_ops() if op.get_type_name() == UPSAMPLING]
    assert found
    for op in found:
        assert op.input_value(1).get_node().get_type_name() == "Constant"
