"""The command that derives a model: files, report, and what is refused at once."""

import json

import numpy as np
import pytest
from PIL import Image
from tiny_runs import make_run
from toy_methods import METHODS, PAPER, ScaleConfig, ShiftConfig

from pdm_tf.assemble import derivation_report, deriving, models
from pdm_tf.assemble.method_command import run_method
from pdm_tf.config import InputError

LISTED = {"scaled": ScaleConfig, "shift": ShiftConfig}


@pytest.fixture(autouse=True)
def toys(monkeypatch):
    for module in (deriving, models, derivation_report):
        monkeypatch.setattr(module, "open_method", METHODS.__getitem__)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    network = {"image_shape": (16, 16, 1)}
    return make_run(tmp_path_factory.mktemp("runs") / "run", 1, network=network)


def run(*words):
    return run_method(["pdm-tf toys", *words], LISTED, "Toys.")


def test_a_method_that_changes_nothing_reports_no_difference(base, tmp_path, capsys):
    out = tmp_path / "out"
    words = (f"--base={base}", f"--out={out}", "--report_images=4", "--report_steps=3")
    assert run("scaled", *words, "--factor=1") == 0
    report = json.loads((out / "report.json").read_text())
    assert report["sqnr"] is None or report["sqnr"] > 100  # infinite is no JSON
    assert report["base"]["frechet"] is report["derived"]["frechet"] is None
    assert "4 pictures for 256 features" in report["left_out"]  # too few for it
    assert report["base"]["evaluations_per_picture"] == 3
    assert report["derived"]["bytes_added"] == 0
    assert report["base"]["bytes"] == report["derived"]["bytes"] > 0
    assert report["paper"] == PAPER and report["settings"] == {"factor": 1.0}
    text = (out / "report.md").read_text()
    assert PAPER in text and "| evaluations a picture | 3 | 3 | 1.000 |" in text
    with Image.open(out / "samples.png") as sheet:
        beside_names = np.asarray(sheet)[:, -4 * (16 + 2) :]
        rows = np.split(beside_names[1:-1], 2)
    np.testing.assert_array_equal(rows[0], rows[1])  # base above, derived below
    assert "derived model in" in capsys.readouterr().out


def test_a_report_can_be_left_out_and_made_later(base, tmp_path):
    out = tmp_path / "out"
    words = ("shift", f"--base={base}", f"--out={out}", "--start=0.1")
    assert run(*words, "--report_images=0") == 0
    weights = (out / "weights.safetensors").read_bytes()
    assert not (out / "report.json").exists()
    assert run(*words, "--report_images=2", "--report_steps=2") == 0
    assert (out / "report.json").is_file()
    assert (out / "weights.safetensors").read_bytes() == weights


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--out=x"], "base: is missing"),
        (["--base=x"], "out: is missing"),
        (["--base=x", "--out=y"], "base=x: no config"),
        (["--base=x", "--out=y", "--report_images=1"], "report_images=1: give 2"),
        (["--base=x", "--out=y", "--report_sampler=z"], "report_sampler=z: choose"),
        (["--base=x", "--out=y", "--start=1"], "a flag of shift and not of scaled"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    words, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message) as refused:
        run("scaled", *words)
    assert "\n" not in str(refused.value)
    assert not list(tmp_path.iterdir())
