"""The client: picks a sampler, writes a manifest, goes on where it stopped."""

import json
from threading import Event

import numpy as np
import pytest
import tensorflow as tf
from toys import MixtureToy

import pdm_tf as pdm
from pdm_tf.config import InputError, SampleConfig
from pdm_tf.export import export_saved_model
from pdm_tf.serving import SavedModelGenerator, client, open_generator, write_samples


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    directory = tmp_path_factory.mktemp("toy") / "export"
    settings = pdm.SamplingConfig(thresholding="static")
    export_saved_model(MixtureToy(), directory, "", settings, ["ddpm", "ddim"])
    return str(directory)


def written(model, out, **settings) -> np.ndarray:
    given = {"num_images": 5, "batch_size": 2, "steps": "4", "sampler": "ddpm"}
    given |= {"model": model, "out_dir": str(out), **settings}
    write_samples(open_generator("model", model), SampleConfig(**given))
    return np.load(out / "samples.npz", allow_pickle=False)["arr_0"]


def test_the_sampler_named_is_used(model, tmp_path):
    x = {
        name: written(model, tmp_path / name, sampler=name) for name in ("ddpm", "ddim")
    }
    assert not np.array_equal(*x.values())
    denoise = pdm.guided(MixtureToy(), [0, 1, 0, 1, 0], weight=1.5, threshold=None)
    denoise = pdm.thresholded(denoise)
    grid = denoise.schedule.grid(4)
    wanted = pdm.sample(denoise, pdm.DDIM(), grid, range(5), MixtureToy().image_shape)
    near = np.abs(x["ddim"] - (np.clip(wanted, -1, 1) + 1) * 127.5)
    assert near.max() < 1.0


def test_the_manifest_names_the_sampler_and_guards_it(model, tmp_path):
    written(model, tmp_path, sampler="ddim")
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["sampler"] == "ddim"
    assert list(manifest["model"]["samplers"]) == ["ddpm", "ddim"]
    with pytest.raises(InputError, match="samples of other settings"):
        written(model, tmp_path, sampler="ddpm")


def test_the_guidance_is_the_models_own_unless_another_is_named(tmp_path):
    settings = pdm.SamplingConfig(thresholding="none", sample_guidance=3.0)
    model = str(tmp_path / "model")
    export_saved_model(MixtureToy(shift=0.2), model, "", settings, ["ddpm"])
    x = written(model, tmp_path / "own")
    named, other = (
        written(model, tmp_path / f"{weight}", guidance=weight) for weight in (3.0, 1.0)
    )
    np.testing.assert_array_equal(x, named)
    assert not np.array_equal(x, other)
    manifest = json.loads((tmp_path / "own" / "manifest.json").read_text())
    assert manifest["guidance"] == 3.0


def test_sections_and_strides_serve_every_sampler(model, tmp_path):
    for steps in ("2,2", "ddim5"):
        for name in ("ddpm", "ddim"):
            written(model, tmp_path / steps / name, sampler=name, steps=steps)


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"sampler": "plms"}, "sampler=plms: the SavedModel holds ddpm, ddim;"),
        ({"sampler": ""}, "sampler=: the SavedModel holds ddpm, ddim;"),
        ({"steps": "1001"}, "choose 1 to 1000"),
        ({"steps": "many"}, "give a number"),
        ({"num_images": 0}, "num_images=0"),
        ({"guidance": float("nan")}, "guidance=nan"),
        ({"labels": (3,)}, "labels=3"),
    ],
)
def test_what_does_not_fit_the_model_writes_nothing(model, tmp_path, settings, words):
    with pytest.raises(InputError) as error:
        written(model, tmp_path / "new", **settings)
    assert words in str(error.value)
    assert not (tmp_path / "new").exists()


def test_an_export_from_before_there_was_a_choice_holds_ddpm(model, tmp_path):
    old = tf.saved_model.load(model)
    said = json.loads(old.signatures["config"]()["config"].numpy())
    text = json.dumps({k: v for k, v in said.items() if "sampler" not in k})
    old.config = tf.function(lambda: {"config": tf.constant(text)}, input_signature=[])
    kept = ("sample", "sample_at", "denoise", "config")
    signatures = {name: getattr(old, name) for name in kept}
    tf.saved_model.save(old, str(tmp_path / "old"), signatures)
    x = written(str(tmp_path / "old"), tmp_path / "x")
    np.testing.assert_array_equal(x, written(model, tmp_path / "y"))
    with pytest.raises(InputError, match="holds ddpm;"):
        written(str(tmp_path / "old"), tmp_path / "z", sampler="ddim")


def test_a_batch_is_written_while_the_next_is_computed(model, tmp_path, monkeypatch):
    """Computing waits for the disk, and the other way round, or this never ends."""
    computing, writing = Event(), Event()
    generate, write, calls = SavedModelGenerator.generate, client.save_png, []

    def generated_late(*words, **more):
        calls.append(0)
        if len(calls) == 2:
            computing.set()
            assert writing.wait(20)
        return generate(*words, **more)

    def written_late(*words):
        writing.set()
        assert computing.wait(20)
        write(*words)

    monkeypatch.setattr(SavedModelGenerator, "generate", generated_late)
    monkeypatch.setattr(client, "save_png", written_late)
    written(model, tmp_path / "out")
    assert len(calls) == 3


def test_a_full_disk_is_not_passed_over(model, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(client, "save_png", full)
    with pytest.raises(OSError, match="No space left"):
        written(model, tmp_path / "out")
    assert not (tmp_path / "out" / "samples.npz").exists()
