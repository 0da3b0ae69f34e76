"""Generators: one request, the same pictures, whatever computes them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from toys import GaussianToy, MixtureToy

import pdm_tf as pdm
from pdm_tf.errors import InputError, SettingError
from pdm_tf.export import export_saved_model
from pdm_tf.serving import (
    DenoiserGenerator,
    generate_many,
    is_export,
    open_generator,
)

ROOT = Path(__file__).resolve().parent.parent.parent
STATIC = pdm.SamplingConfig(thresholding="static", variance="small")
SEEDS, LABELS = np.array([5, 6, 9]), np.array([1, 0, 1])


@pytest.fixture(scope="module")
def directory(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("toy") / "export"
    export_saved_model(MixtureToy(), path, "", STATIC, ["heun", "ddpm"])
    return path


@pytest.fixture(scope="module")
def exported(directory):
    return open_generator("model", directory)


@pytest.fixture(scope="module")
def python():
    return DenoiserGenerator(MixtureToy(), STATIC)


@pytest.mark.parametrize("sampler", ["heun", "ddpm"])
@pytest.mark.parametrize("steps", [5, "5", "2,3", "ddim5"])
def test_a_saved_model_generates_what_its_denoiser_does(
    steps, sampler, exported, python
):
    request = SEEDS, LABELS, steps, 1.5, sampler
    pictures = exported.generate(*request)
    assert pictures.dtype == np.uint8 and pictures.std() > 5
    np.testing.assert_array_equal(pictures, python.generate(*request))
    assert exported.evaluations(sampler, steps) == python.evaluations(sampler, steps)


def test_both_describe_the_same_model(exported, python):
    assert exported.image_shape == python.image_shape == MixtureToy().image_shape
    assert exported.num_classes == python.num_classes == 2
    assert exported.samplers == ("heun", "ddpm")
    said = json.loads(json.dumps(python.description))
    # What a toy keeps outside of variables and settings is known by the files' bytes.
    assert said.pop("digest") and exported.description["digest"]
    assert exported.description | said == exported.description
    assert python.description["pdm_tf"].count(".") == 2


def test_heun_evaluates_twice_in_every_step_and_once_at_the_end(python):
    assert python.evaluations("heun", 5) == 2 * 4 + 1
    assert python.evaluations("ddim", "2,3") == 5


@pytest.mark.parametrize(
    ("sampler", "steps", "setting"),
    [("best", 5, "sampler"), ("heun", 1001, "steps"), ("heun", "few", "steps")],
)
def test_what_cannot_be_served_is_named(sampler, steps, setting, exported, python):
    for generator in (exported, python):
        with pytest.raises(SettingError) as error:
            generator.generate(SEEDS, LABELS, steps, 1.5, sampler)
        assert error.value.setting == setting


def test_labels_do_not_matter_without_classes():
    generator = DenoiserGenerator(GaussianToy(), STATIC)
    request = 4, 3.0, "ddim"
    one = generator.generate(SEEDS, np.zeros(3), *request)
    np.testing.assert_array_equal(one, generator.generate(SEEDS, LABELS, *request))


def test_many_are_the_first_seeds_with_all_classes_in_turn(python):
    many = generate_many(python, 5, 4, 1.5, "ddim", batch_size=2)
    seeds = np.arange(5)
    np.testing.assert_array_equal(
        many, python.generate(seeds, seeds % 2, 4, 1.5, "ddim")
    )


def test_exports_are_known_by_their_content(directory, tmp_path):
    assert is_export(directory) and is_export("any.tflite")
    assert not is_export(tmp_path) and not is_export(tmp_path / "missing")
    for path in (tmp_path / "missing", tmp_path, tmp_path / "missing.tflite"):
        with pytest.raises(InputError, match=f"model={path}"):
            open_generator("model", path)


BARE = """
import sys
sys.modules["keras"] = None  # any import of keras now fails
import numpy as np
from pdm_tf.assemble import open_generator
for path, sampler in zip(sys.argv[1::2], sys.argv[2::2]):
    model = open_generator("model", path)
    print(model.generate([5, 6, 9], [1, 0, 1], 3, 1.5, sampler).sum())
"""


def test_opening_and_generating_needs_no_keras(directory, exported, tmp_path):
    pytest.importorskip("ai_edge_litert")
    import tarfile

    archive = ROOT / "tests" / "data" / "version_0_1" / "models.tar.xz"
    with tarfile.open(archive) as kept:
        kept.extractall(tmp_path, filter="data")
    file = tmp_path / "litert" / "float32.tflite"
    command = [sys.executable, "-c", BARE, str(directory), "heun", str(file), "ddim"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    sums = [int(line) for line in done.stdout.split()]
    generators = (exported, "heun"), (open_generator("model", file), "ddim")
    for found, (generator, sampler) in zip(sums, generators, strict=True):
        assert found == generator.generate(SEEDS, LABELS, 3, 1.5, sampler).sum()
