"""Models that version 0.1 wrote still open, and give the pictures they gave then."""

from pathlib import Path

import numpy as np
import pytest

import pdm_tf as pdm
from pdm_tf.assemble import open_generator as open_any
from pdm_tf.commands.sample import main as sample
from pdm_tf.serving import SavedSampler, open_generator

KEPT = Path(__file__).resolve().parent.parent / "data" / "version_0_1"
STEPS, WEIGHT = 6, 1.5


@pytest.fixture(scope="module")
def given() -> dict[str, np.ndarray]:
    """Seeds, labels, and the pictures of then."""
    with np.load(KEPT / "pictures.npz", allow_pickle=False) as stored:
        return dict(stored)


def assert_same_pictures(found: np.ndarray, then: np.ndarray) -> None:
    """The same but for the rounding of other kernels: a grey level, rarely."""
    assert found.dtype == then.dtype == np.uint8 and found.shape == then.shape
    difference = np.abs(found.astype(int) - then)
    assert difference.max() <= 1 and (difference > 0).mean() < 0.01


@pytest.mark.parametrize("sampler", ["ddim", "dpm_solver_sde"])
def test_a_saved_model_generates_the_same_pictures(sampler, models_0_1, given):
    model = open_generator("model", models_0_1 / "export")
    assert model.samplers == ("ddim", "dpm_solver_sde")
    found = model.generate(given["seeds"], given["labels"], STEPS, WEIGHT, sampler)
    assert_same_pictures(found, given[f"export_{sampler}"])


def test_the_names_of_then_still_serve(models_0_1, given):
    model = SavedSampler("savedmodel", str(models_0_1 / "export"))
    found = model.draw(given["seeds"], given["labels"], str(STEPS), WEIGHT, "ddim")
    assert_same_pictures(found, given["export_ddim"])


def test_a_tflite_file_generates_the_same_pictures(models_0_1, given):
    pytest.importorskip("ai_edge_litert")
    model = open_generator("model", models_0_1 / "litert" / "float32.tflite")
    found = model.generate(given["seeds"], given["labels"], STEPS, WEIGHT, "ddim")
    assert_same_pictures(found, given["litert_ddim"])


def test_a_run_generates_what_its_export_does(models_0_1, given):
    model = open_any("model", models_0_1 / "low")
    found = model.generate(given["seeds"], given["labels"], STEPS, WEIGHT, "ddim")
    assert_same_pictures(found, given["export_ddim"])
    assert "--timesteps=50" in model.description["record"]


def test_the_flags_of_then_still_sample(models_0_1, given, tmp_path):
    for flag, path in (("savedmodel", "export"), ("model", "split")):
        command = [
            f"--{flag}={models_0_1 / path}",
            "--sampler=ddim",
            f"--steps={STEPS}",
        ]
        out = tmp_path / path
        sample(["sample", *command, "--num_images=4", f"--out_dir={out}"])
        with np.load(out / "samples.npz") as made:
            assert made["arr_0"].shape == (4, 8, 8, 1)
    first = np.load(tmp_path / "export" / "samples.npz")["arr_0"][:3]
    assert_same_pictures(first, given["export_ddim"][:3])  # whose labels are the same


@pytest.mark.parametrize("name", ["low", "high", "split"])
def test_a_checkpoint_and_a_split_restore_to_the_same_pictures(name, models_0_1, given):
    denoise = pdm.restore(models_0_1 / name)
    denoise = pdm.guided(denoise, given["labels"], weight=WEIGHT, threshold=None)
    denoise = pdm.thresholded(denoise)
    grid = denoise.schedule.grid(STEPS)
    x = pdm.sample(denoise, pdm.DDIM(), grid, given["seeds"], denoise.image_shape)
    np.testing.assert_allclose(x, given[name], atol=1e-4)
