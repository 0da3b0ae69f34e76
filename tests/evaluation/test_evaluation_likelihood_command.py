"""The method likelihood: report, curve and picture; one line for each fault."""

import csv
import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_runs import make_run

import pdm_tf as pdm
from pdm_tf import flags
from pdm_tf.assemble import splits
from pdm_tf.config import (
    LikelihoodConfig,
)
from pdm_tf.data.sources import open_source
from pdm_tf.evaluation import __main__ as command
from pdm_tf.evaluation.likelihood.bound import measure_bound
from pdm_tf.evaluation.likelihood.report import format_likelihood, report_likelihood

SHAPE = (8, 8, 1)


def short_run(directory: Path, seed: int, variance="learned", **network) -> str:
    """A run directory with a checkpoint of random weights, ten classes, T = 20."""
    diffusion = {"timesteps": 20, "beta_end": 0.6}
    network = {"num_classes": 10, **network}
    rooms = {"diffusion": diffusion, "sampling": {"variance": variance}}
    return str(make_run(directory, seed, network=network, **rooms))


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory) -> str:
    return short_run(tmp_path_factory.mktemp("runs") / "one", 1)


@pytest.fixture(scope="module")
def plain_run(tmp_path_factory) -> str:
    """Without classes."""
    return short_run(tmp_path_factory.mktemp("runs") / "plain", 2, num_classes=0)


def settings(run_dir: str, directory: Path, **others) -> LikelihoodConfig:
    made = LikelihoodConfig(model=run_dir, reference="mnist", num_images=6)
    return replace(made, out=str(directory / "l.json"), **others)


def measure(run_dir: str, directory: Path, **others) -> dict:
    config = settings(run_dir, directory, **others)
    return report_likelihood(config, pdm.restore(run_dir), "learned")


def call(*arguments: str, monkeypatch, capsys) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command."""
    monkeypatch.setattr(sys, "argv", ["evaluation", *arguments])
    with pytest.raises(SystemExit) as done:
        flags.run(command.main)
    return done.value.code, *capsys.readouterr()


@pytest.mark.parametrize("terms", [0, 6])
def test_files_agree_with_what_is_printed(
    run_dir, terms, tmp_path, monkeypatch, capsys
):
    code, printed, _ = call(
        "--likelihood", f"--run_dir={run_dir}", "--reference=mnist", "--num_images=6",
        "--batch_size=4", f"--terms={terms}", f"--out={tmp_path}/new/l.json",
        monkeypatch=monkeypatch, capsys=capsys,
    )  # fmt: skip
    assert code == 0
    report = json.loads((tmp_path / "new" / "l.json").read_text())
    found = report["likelihood"]
    total = found["bits_per_dim"]
    assert f"{total['value']:.5f}   ± {total['standard_error']:.5f}" in printed
    parts = sum(found[name]["value"] for name in ("prior", "steps", "decoder"))
    assert parts == pytest.approx(total["value"])
    with (tmp_path / "new" / "l.csv").open() as file:
        rows = list(csv.DictReader(file))
    counts = [int(row["last_t"]) - int(row["t"]) + 1 for row in rows]
    assert sum(counts) == 20 + 1  # and the prior
    assert len(rows) == (terms or 20) + 1
    bits = [float(row["bits_per_dim"]) for row in rows]
    assert sum(bits) == pytest.approx(total["value"], rel=1e-6)
    assert bits[0] == pytest.approx(found["decoder"]["value"])
    with Image.open(tmp_path / "new" / "l.png") as picture:
        assert picture.width > 500
    assert not list((tmp_path / "new").glob(".*"))  # nothing half written
    assert report["cost"]["evaluations_per_picture"] == (terms or 20)
    variables = pdm.restore(run_dir).network.trainable_variables
    assert report["cost"]["parameters"] == sum(math.prod(v.shape) for v in variables)


def test_a_source_means_its_held_out_part(run_dir, tmp_path):
    report = measure(run_dir, tmp_path, terms=3, num_images=0, batch_size=1000)
    assert report["reference"]["count"] == 1000
    assert report["reference"]["split"] == "test"
    (note,) = report["warnings"]
    assert note.startswith("an unbiased estimate by 3 terms")
    report = measure(run_dir, tmp_path, terms=3, reference="mnist@train")
    assert report["reference"]["split"] == "train"
    assert "warning: these pictures are for training" in format_likelihood(report)


@pytest.mark.slow
def test_an_npz_gives_the_same_as_its_pictures(run_dir, tmp_path):
    pictures, labels = open_source("mnist", SHAPE, 10, "test").read(np.arange(7))
    np.savez(tmp_path / "p.npz", pictures, labels=labels)
    report = measure(run_dir, tmp_path, reference=f"{tmp_path}/p.npz", batch_size=4)
    bound = measure_bound(pdm.restore(run_dir), [(pictures[:6], labels[:6])])
    value = report["likelihood"]["bits_per_dim"].value
    assert value == pytest.approx(bound.total.mean(), rel=1e-6)
    unlabelled = measure(run_dir, tmp_path, use_labels=False)
    assert unlabelled["model"]["labels"] == "not used"
    assert unlabelled["likelihood"]["bits_per_dim"].value != value


@pytest.mark.slow  # that a split adds up from its parts is in the quick set
def test_a_split_of_a_run_with_itself_is_as_likely(run_dir, tmp_path):
    parts = [splits.Part(run_dir, 0.5, math.inf), splits.Part(run_dir, 0, 0.5)]
    splits.write(tmp_path / "both", parts)
    one, both = (
        measure(where, tmp_path, terms=8)["likelihood"]["bits_per_dim"].value
        for where in (run_dir, str(tmp_path / "both"))
    )
    assert one == pytest.approx(both, rel=1e-6)


@pytest.mark.slow
def test_the_record_says_which_variance_the_steps_have(tmp_path, monkeypatch, capsys):
    found = {}
    for variance in ("learned", "large", "small"):
        run_dir = short_run(tmp_path / variance, 2, variance, num_classes=0)
        code, printed, _ = call(
            "likelihood", f"--model={run_dir}", "--reference=mnist",
            "--num_images=2", f"--out={tmp_path}/l.json",
            monkeypatch=monkeypatch, capsys=capsys,
        )  # fmt: skip
        assert code == 0
        assert f"variance {variance}" in printed
        report = json.loads((tmp_path / "l.json").read_text())
        found[variance] = report["likelihood"]["bits_per_dim"]["value"]
    assert len(set(found.values())) == 3


def faults(run_dir: str, plain_run: str, directory: Path) -> dict:
    """Arguments and what the one line says."""
    pictures = np.zeros((5, 8, 8, 1), np.uint8)
    np.savez(directory / "unlabelled.npz", pictures)
    np.savez(directory / "large.npz", np.zeros((5, 9, 8, 1), np.uint8))
    (directory / "folder").mkdir()
    Image.fromarray(pictures[0, ..., 0]).save(directory / "folder" / "a.png")
    given = [f"--run_dir={run_dir}", "--reference=mnist"]
    plain = [f"--run_dir={plain_run}"]
    return {
        "no run": (["--reference=mnist"], "--model: missing"),
        "no reference": (given[:1], "--reference: missing"),
        "not a run": ([f"--run_dir={directory}", given[1]], "no config.flags there"),
        "samples": ([*given, "--samples=mnist"], "--samples: a flag of metrics"),
        "terms": ([*given, "--terms=1"], "--terms=1: choose from 2 to 20"),
        "one": ([*given, "--num_images=1"], "take two at least"),
        "many": ([*given, "--num_images=1001"], "has 1000 pictures"),
        "negative": ([*given, "--num_images=-1"], "--num_images=-1: at least 0"),
        "batch": ([*given, "--batch_size=0"], "--batch_size=0: at least 1"),
        "seed": ([*given, f"--seed={2**31 - 5}"], f"--seed={2**31 - 5}: choose"),
        "shape": ([*given, "--image_shape=9,9,1"], "makes pictures of 8,8,1"),
        "out": ([*given, f"--out={directory}/x.csv"], "give a name such as"),
        "nowhere": ([given[0], "--reference=nowhere"], "no such file"),
        "classes": (
            [given[0], f"--reference={directory}/folder@train"],
            "--use_labels=false",
        ),
        "labels": ([given[0], f"--reference={directory}/unlabelled.npz"], "no array"),
        "large": ([*plain, f"--reference={directory}/large.npz"], "pictures of 9,8,1"),
        "held out": (
            [*plain, f"--reference={directory}/folder"],
            f"--reference={directory}/folder@train",
        ),
    }


def test_faults_are_one_line_and_code_2(
    run_dir, plain_run, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    for fault, (arguments, message) in faults(run_dir, plain_run, tmp_path).items():
        code, _, said = call(
            "--likelihood", *arguments, monkeypatch=monkeypatch, capsys=capsys
        )
        said = said.removeprefix("loading TensorFlow …\n")
        assert (code, said.count("\n")) == (2, 1), (fault, said)
        assert said.startswith("error: "), fault
        assert message in said, (fault, said)
        assert not (tmp_path / "evaluation.json").exists()
    code, _, said = call(f"--run_dir={run_dir}", monkeypatch=monkeypatch, capsys=capsys)
    assert code == 2
    assert "a flag of likelihood" in said


def test_pictures_that_were_sampled_are_refused(run_dir, tmp_path):
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "saved_model.pb").touch()
    with pytest.raises(pdm.InputError, match="not sampled"):
        measure(run_dir, tmp_path, reference=str(tmp_path / "export"))


def test_without_matplotlib_the_numbers_are_written(run_dir, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    report = measure(run_dir, tmp_path, terms=3)
    assert any("not drawn" in text for text in report["warnings"])
    assert (tmp_path / "l.json").is_file() and (tmp_path / "l.csv").is_file()
    assert not (tmp_path / "l.png").exists()
