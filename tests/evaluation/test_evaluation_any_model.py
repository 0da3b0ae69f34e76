"""Any model is evaluated: a run without an export, a split, and their export alike."""

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_runs import make_run

from pdm_tf import assemble
from pdm_tf.assemble import evaluating, splits
from pdm_tf.assemble.generators import open_generator
from pdm_tf.config import CompareConfig, EvaluationConfig, InputError
from pdm_tf.evaluation.comparison import compare
from pdm_tf.evaluation.evaluate import evaluate

ASKED = EvaluationConfig(features="random", num_images=260, steps="2", bootstrap=0)


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, str]:
    """A run of random weights, its split with itself, and its SavedModel."""
    folder: Path = tmp_path_factory.mktemp("models")
    diffusion = {"timesteps": 20, "beta_end": 0.6}
    network = {"image_shape": (16, 16, 1), "num_classes": 10}
    make_run(folder / "run", 0, diffusion=diffusion, network=network)
    run = str(folder / "run")
    parts = [splits.Part(run, 0.5, math.inf), splits.Part(run, 0, 0.5)]
    splits.write(folder / "split", parts)
    assemble.export_run(run, folder / "export")
    return {name: str(folder / name) for name in ("run", "split", "export")}


@pytest.fixture(scope="module")
def asked(tmp_path_factory) -> EvaluationConfig:
    path = tmp_path_factory.mktemp("reference") / "r.npz"
    random = np.random.default_rng(1)
    np.savez(path, random.integers(0, 256, (260, 16, 16, 1), np.uint8))
    return replace(ASKED, reference=str(path))


@pytest.mark.slow
def test_metrics_of_a_run_a_split_and_an_export_agree(models, asked, tmp_path):
    found = {}
    for name, path in models.items():
        config = replace(asked, samples=path, out=str(tmp_path / f"{name}.json"))
        report = evaluate(config, open_generator)
        assert report["samples"]["kind"] == "model"
        assert report["samples"]["image_shape"] == [16, 16, 1]
        assert report["cost"]["sampling"]["evaluations_per_picture"] == 4
        found[name] = report["metrics"]["FD (random)"].value
    assert found["run"] > 0
    for name in ("split", "export"):
        assert found[name] == pytest.approx(found["run"], rel=0.01)


def test_the_command_prints_what_a_run_gives(models, asked, tmp_path):
    config = replace(asked, samples=models["run"], out=str(tmp_path / "e.json"))
    config = replace(config, num_images=6)
    printed = evaluating.metrics(config)
    assert f"{models['run']}: 6 pictures, 16x16x1, model" in printed
    assert "FD (random) is left out: 6 samples for 256 features" in printed
    assert re.search(r"^FD \(random\) +-$", printed, re.MULTILINE)


@pytest.mark.slow  # the three agree in each metric, which the test above sees
def test_a_run_beside_its_split_and_its_export(models, asked, tmp_path):
    for name in ("split", "export"):
        config = CompareConfig(
            model=models[name],
            reference=models["run"],
            data=asked.reference,
            num_images=4,
            sampler="ddpm",
            steps="2",
            out=str(tmp_path / "c.json"),
        )
        made = compare(config, open_generator)
        assert made["sqnr"] > 40
        assert made["reference"]["bytes"] == 4 * made["reference"]["parameters"]
        assert made["model"]["flops_per_evaluation"] > 0


def test_without_an_opener_a_model_is_refused(models, asked, tmp_path):
    config = replace(asked, samples=models["run"], out=str(tmp_path / "e.json"))
    with pytest.raises(InputError, match="a model; give pictures"):
        evaluate(config)
