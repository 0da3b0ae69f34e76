"""From a run to a .tflite file: compared first, and left behind only if it is good."""

import builtins
import json
from functools import cache

import numpy as np
import pytest
from tiny_runs import make_exported_run, make_reference

from pdm_tf.assemble import export_litert
from pdm_tf.commands.sample import main as sample
from pdm_tf.config import (
    ExportConfig,
    InputError,
)
from pdm_tf.export.__main__ import main
from pdm_tf.serving.litert_network import open_file

pytest.importorskip("ai_edge_litert")
pytest.importorskip("ai_edge_quantizer")


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory) -> str:
    return make_exported_run(tmp_path_factory.mktemp("litert") / "run")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> str:
    return make_reference(tmp_path_factory.mktemp("reference") / "reference.npz")


def settings(run_dir, pictures, out, **others) -> ExportConfig:
    given = {"check_images": 4, "check_steps": "3", "calibration_images": 2}
    given |= {"min_sqnr": 5.0, "max_distance_change": 50.0, "sampler": ("ddim",)}
    given |= {"model": run_dir, "reference": pictures, "export_dir": str(out)}
    return ExportConfig(format="litert", **given | others)


@pytest.fixture(scope="module")
def converted(run_dir, pictures, tmp_path_factory):
    """A file of each kind, and what was found of it."""

    @cache
    def convert(kind):
        out = tmp_path_factory.mktemp("converted")
        config = settings(run_dir, pictures, out, quantize=kind)
        return export_litert(config, {"variance": "small"})

    return convert


@pytest.mark.parametrize(
    "kind, name",
    [
        ("none", "float32"),
        pytest.param(*("dynamic_int8",) * 2, marks=pytest.mark.slow),
        pytest.param(*("static_int8",) * 2, marks=pytest.mark.slow),
    ],
)
def test_a_file_comes_with_its_report(kind, name, converted):
    file, found = converted(kind)
    assert {path.name for path in file.parent.iterdir()} == {
        f"{name}.tflite",
        f"{name}.json",
    }
    report = json.loads((file.parent / f"{name}.json").read_text())
    assert report["quantize"] == kind and report["refused"] == []
    assert found.sqnr > (50 if kind == "none" else 5)
    equal = np.isinf(found.sqnr)  # which JSON does not know
    assert report["fidelity"]["sqnr"] == (None if equal else found.sqnr)
    assert report["bytes"] == file.stat().st_size
    assert report["compared"]["sampler"] == "ddim"
    _, model = open_file("model", str(file))
    assert model["sampling"]["variance"] == "small"
    assert model["sampling"]["thresholding"] == "static"
    assert "--beta_end=0.6" in model["record"]


@pytest.mark.parametrize(
    "limit, words",
    [
        ({"min_sqnr": 200.0}, "dB is below min_sqnr=200"),
        pytest.param(
            {"max_distance_change": -100.0},
            "above max_distance_change=-100",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_file_that_fails_is_not_left_behind(
    limit, words, run_dir, pictures, tmp_path
):
    (tmp_path / "dynamic_int8.tflite").write_text("an older one")
    older = {"sha256": "", "fidelity": {}, "model": {}}
    (tmp_path / "dynamic_int8.json").write_text(json.dumps(older))
    config = settings(run_dir, pictures, tmp_path, quantize="dynamic_int8", **limit)
    with pytest.raises(InputError, match=words):
        export_litert(config, {})
    refused = "dynamic_int8.refused.json"
    there = {path.name for path in tmp_path.iterdir() if path.name[0] != "."}
    assert there == {"dynamic_int8.tflite", "dynamic_int8.json", refused}
    assert (tmp_path / "dynamic_int8.tflite").read_text() == "an older one"
    report = json.loads((tmp_path / refused).read_text())
    assert words in report["refused"][0] and "sqnr" in report["fidelity"]


def test_sample_takes_the_file(converted, tmp_path):
    file, _ = converted("none")
    out = tmp_path / "made"
    sample(["", f"--litert={file}", "--num_images=2", "--steps=2", f"--out_dir={out}"])
    assert (out / "000001.png").is_file()


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"check_images": 1}, "check_images=1: at least 2"),
        ({"check_steps": "21"}, "check_steps=21: .*choose 1 to 20"),
        ({"sampler": ("best",)}, "sampler=best"),
        ({"sampler": ()}, "sampler: is empty"),
        ({"reference": "/no/such"}, "reference=/no/such"),
    ],
)
def test_bad_settings_write_nothing(settings, words, run_dir, tmp_path):
    given = {"model": run_dir, "export_dir": str(tmp_path / "new")}
    given |= {"check_steps": "3", **settings}
    with pytest.raises(InputError, match=words):
        export_litert(ExportConfig(**given), {})
    assert not [file for file in (tmp_path / "new").glob("*") if file.name[0] != "."]


def test_a_saved_model_is_not_quantised(run_dir):
    with pytest.raises(InputError, match="add `format=litert`"):
        main(["", f"--run_dir={run_dir}", "--quantize=static_int8"])


@pytest.mark.parametrize("package", ["ai_edge_litert", "ai_edge_quantizer"])
def test_a_missing_package_is_named_with_what_to_install(
    package, run_dir, monkeypatch, tmp_path
):
    there = builtins.__import__

    def without(name, *arguments, **others):
        if name.partition(".")[0] == package:
            raise ImportError(name)
        return there(name, *arguments, **others)

    monkeypatch.setattr(builtins, "__import__", without)
    config = settings(run_dir, "", tmp_path / "new", quantize="dynamic_int8")
    with pytest.raises(InputError, match="pip install ai-edge-litert") as error:
        export_litert(config, {})
    assert package.replace("_", "-") in str(error.value)
    assert not (tmp_path / "new").exists()
