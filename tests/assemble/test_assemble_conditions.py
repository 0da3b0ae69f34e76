"""Models of several conditions, from their data to pictures and exports."""

import json
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from scipy.stats import spearmanr
from tiny_runs import SMALL, make_run
from toys import GaussianToy

from pdm_tf import assemble
from pdm_tf.assemble.generators import open_generator
from pdm_tf.assemble.runs import restore_run
from pdm_tf.assemble.training import train
from pdm_tf.commands.sample import main as sample
from pdm_tf.config import (
    Config,
    DataConfig,
    EvaluationConfig,
    ExportConfig,
    LearningConfig,
    SamplingConfig,
    TrainingConfig,
)
from pdm_tf.config.conditioning import Attribute, Conditions, read_conditions
from pdm_tf.config.sealing import known_by, sealed_settings
from pdm_tf.denoisers.conditioning import as_labels
from pdm_tf.errors import SettingError
from pdm_tf.evaluation.generated_images import GeneratedImages, draw_rows
from pdm_tf.export import export_saved_model
from pdm_tf.serving.denoiser_generator import DenoiserGenerator

NAN = float("nan")
NETWORK = {"num_classes": 2, "several_labels": True, "attributes": ("age:0:100",)}
ROWS = np.float32([[1, 1, 30], [0, 1, NAN], [NAN, NAN, 80]])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    directory = tmp_path_factory.mktemp("conditions") / "run"
    return make_run(directory, 1, network=NETWORK, diffusion={"timesteps": 50})


@pytest.fixture(scope="module")
def export(run):
    """With a weight of its own for age."""
    given = {"guidance_each": ("age=2",)}
    return assemble.export_run(run, samplers=("ddim",), **given)


class Rows(GaussianToy):
    """Data whose mean is the age; 0 where that is not known."""

    def __init__(self, shift=0.0, image_shape=(4, 4, 1)):
        super().__init__(shift, image_shape)
        self.conditions = Conditions(2, True, (Attribute("age"),))

    def conditioned(self, labels):
        return super().conditioned(as_labels(self, labels))

    def shifted(self, z):
        if self.labels is None:
            return tf.zeros([], z.dtype)
        ages = self.labels[:, 2]
        return tf.where(tf.math.is_nan(ages), 0.0, ages)[:, None, None, None]


def test_an_export_of_rows_gives_what_python_gives(tmp_path):
    sampling = SamplingConfig(thresholding="none")
    export_saved_model(Rows(), tmp_path / "x", "", sampling, ["ddim"])
    there = open_generator("model", tmp_path / "x")
    here = DenoiserGenerator(Rows(), sampling)
    assert read_conditions(there.description) == Rows().conditions
    rows = np.float32([[1, 1, 0.5], [0, 1, NAN], [NAN, NAN, -0.5]])
    asked = np.arange(3, dtype=np.int32), rows, 3, 2.0, "ddim"
    made = there.generate(*asked)
    np.testing.assert_array_equal(made, here.generate(*asked))
    assert np.all(np.diff(made.mean((1, 2, 3), dtype=float)) < 0)


@pytest.mark.slow  # the same of a network, by whole commands
def test_an_export_takes_rows_and_gives_what_python_gives(run, export):
    there = open_generator("model", export)
    here = open_generator("model", run)
    here = assemble.generators.with_guidance_each(here, ("age=2",))
    assert read_conditions(there.description) == here.denoiser.conditions
    asked = np.arange(3, dtype=np.int32), ROWS, 3, 2.0, "ddim"
    np.testing.assert_array_equal(there.generate(*asked), here.generate(*asked))
    with pytest.raises(SettingError, match="as many labels"):
        there.generate(asked[0], ROWS[:2], *asked[2:])
    with pytest.raises(SettingError, match="export has"):
        assemble.generators.with_guidance_each(there, ("age=2",))


@pytest.mark.slow
def test_classes_are_taken_as_rows(export):
    there = open_generator("model", export)
    seeds = np.arange(2, dtype=np.int32)
    rows = np.float32([[0, 1, NAN], [NAN, NAN, NAN]])
    by_class = there.generate(seeds, np.int32([1, 2]), 2, 2.0, "ddim")
    np.testing.assert_array_equal(by_class, there.generate(seeds, rows, 2, 2.0, "ddim"))


def test_pictures_are_asked_for_by_name(run, tmp_path, capsys):
    out = tmp_path / "out"
    asked = ["sample.py", f"--model={run}", "--num_images=3", "--sampler=ddim"]
    asked += ["--steps=2", f"--out_dir={out}", "--labels=0+1,1"]
    sample([*asked, "--attributes=age=10/20"])
    with np.load(out / "samples.npz") as made:
        wanted = np.float32([[1, 1, 10], [0, 1, 20], [1, 1, 10]])
        np.testing.assert_array_equal(made["labels"], wanted)
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["attributes"] == ["age=10/20"] and manifest["labels"] == "0+1,1"
    sample([*asked, "--attributes=age=10/20"])  # it is all there
    with pytest.raises(SettingError, match="attributes"):
        sample([*asked, "--attributes=age=10/30"])
    with pytest.raises(SettingError, match="age"):
        sample([*asked, "--attributes=aeg=10"])


def test_a_model_of_classes_refuses_them_and_is_known_as_before(tiny_run, tmp_path):
    asked = ["sample.py", f"--model={tiny_run}", f"--out_dir={tmp_path / 'out'}"]
    for flag in ("--attributes=age=1", "--guidance_each=age=2"):
        with pytest.raises(SettingError, match=flag[2:].partition("=")[0]):
            sample([*asked, "--num_images=1", "--steps=1", flag])
    known = known_by(sealed_settings(Config()))
    assert not {"attributes", "several_labels", "guidance_each"} & known.keys()
    described = open_generator("model", tiny_run).description
    assert "conditions" not in described


def test_other_runtimes_refuse_it(run, tmp_path):
    config = ExportConfig(
        model=str(run), format="litert", export_dir=str(tmp_path / "x.tflite")
    )
    with pytest.raises(SettingError, match="savedmodel"):
        assemble.export_network(config, {})


def squares(folder, count=64):
    """Grey squares whose brightness is an attribute."""
    folder.mkdir()
    lines = ["file_name,age"]
    for i, age in enumerate(np.linspace(0, 100, count)):
        picture = np.full((8, 8), 30 + 1.9 * age, np.uint8)
        Image.fromarray(picture).save(folder / f"{i:03d}.png")
        lines.append(f"{i:03d}.png,{age:g}")
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_an_evaluation_asks_for_the_conditions_of_its_reference(run, tmp_path):
    folder = squares(tmp_path / "squares", 6)
    conditions = replace(
        open_generator("model", run).denoiser.conditions, num_classes=0
    )
    config = EvaluationConfig(reference=f"folder:{folder}")
    policy, rows = draw_rows(conditions, config, 9)
    assert policy == "as in the reference"
    assert sorted(rows[:6, 0].tolist()) == [0, 20, 40, 60, 80, 100]
    np.testing.assert_array_equal(rows[6:], rows[:3])
    policy, rows = draw_rows(conditions, EvaluationConfig(reference="mnist"), 9)
    assert policy == "spread evenly" and rows.shape == (9, 1)
    with pytest.raises(SettingError, match="reference"):
        other = replace(conditions, attributes=(Attribute("size"),))
        draw_rows(other, config, 9)


def settings(folder, directory, iterations, **training):
    network = replace(SMALL, width=16, attributes=("age:0:100",))
    given = {"sample_every": 0, "export": False, "save_every": 2, "steps_per_call": 2}
    return Config(
        data=DataConfig(dataset=f"folder:{folder}"),
        network=network,
        learning=LearningConfig(),
        training=TrainingConfig(
            run_dir=str(directory),
            iterations=iterations,
            batch_size=16,
            **given | training,
        ),
        sampling=SamplingConfig(thresholding="static"),
    )


@pytest.mark.slow
def test_a_resumed_training_ends_with_the_same_bits(tmp_path):
    folder = squares(tmp_path / "squares")
    fixed = {"learning_rate": 1e-3, "warmup": 1, "ema_every": 1}
    assert train(settings(folder, tmp_path / "twice", 2, **fixed))
    for name in ("twice", "once"):
        assert train(settings(folder, tmp_path / name, 6, **fixed))
    twice, once = (
        restore_run(tmp_path / name, settings(folder, tmp_path / name, 6, **fixed))
        for name in ("twice", "once")
    )
    for name, value in once.variables.items():
        np.testing.assert_array_equal(value, twice.variables[name])


@pytest.mark.slow
def test_the_brightness_of_samples_follows_the_attribute(tmp_path):
    """An average over seeds; and with more guidance it follows as well."""
    folder = squares(tmp_path / "squares")
    config = settings(folder, tmp_path / "run", 800, save_every=800)
    assert train(config)
    generator = open_generator("model", tmp_path / "run")
    ages = np.repeat(np.float32([0, 20, 40, 60, 80, 100]), 8)[:, None]
    seeds = np.arange(48, dtype=np.int32)
    for weight in (1.0, 1.5):
        made = generator.generate(seeds, ages, 20, weight, "ddim")
        brightness = made.mean((1, 2, 3)).reshape(6, 8).mean(1)
        assert np.all(np.diff(brightness) > 0), brightness
        assert spearmanr(ages[:, 0], made.mean((1, 2, 3)))[0] > 0.9
    config = EvaluationConfig(reference=f"folder:{folder}", num_images=16)
    pictures, rows = next(GeneratedImages(generator, config).labelled(16, 16))
    assert spearmanr(rows[:, 0], pictures.mean((1, 2, 3)))[0] > 0.9
