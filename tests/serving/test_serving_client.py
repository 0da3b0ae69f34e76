"""The client: picks a sampler, writes a manifest, goes on where it stopped."""

import json
from dataclasses import replace
from functools import cache
from threading import Event

import numpy as np
import pytest
import tensorflow as tf
from toys import MixtureToy

import pdm_tf as pdm
from pdm_tf.config import InputError, SampleConfig
from pdm_tf.export import export_saved_model
from pdm_tf.serving import (
    DenoiserGenerator,
    SavedModelGenerator,
    client,
    open_generator,
    write_samples,
)
from pdm_tf.serving.saved_graph import SavedGraph
from pdm_tf.serving.watching import generate_watched, watched


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    directory = tmp_path_factory.mktemp("toy") / "export"
    settings = pdm.SamplingConfig(thresholding="static")
    export_saved_model(MixtureToy(), directory, "", settings, ["ddpm", "ddim"])
    return str(directory)


@cache
def opened(path) -> SavedModelGenerator:
    generator = open_generator("model", path)
    generator.description.setdefault("digest", str(path))
    return generator


def written(model, out, **settings) -> np.ndarray:
    given = {"num_images": 5, "batch_size": 2, "steps": "4", "sampler": "ddpm"}
    given |= {"model": "export", "out_dir": str(out), **settings}
    write_samples(opened(model), SampleConfig(**given))
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
    with pytest.raises(
        InputError, match="other settings: sampler ddim there, ddpm now"
    ):
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
        ({"sampler": ""}, "sampler=dpm_solver_sde: the SavedModel holds ddpm, ddim;"),
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
    of_then = {k: v for k, v in said.items() if k not in ("samplers", "sums")}
    text = json.dumps(of_then)
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
    with pytest.raises(InputError, match=r"out_dir=.*No space left"):
        written(model, tmp_path / "out")
    assert not (tmp_path / "out" / "samples.npz").exists()


# --- resuming -------------------------------------------------------------------------


def stopped_after(batches, monkeypatch):
    """Lets generating end, by Ctrl-C, after so many batches."""
    generate, calls = SavedModelGenerator.generate, []

    def generated(*words, **more):
        calls.append(0)
        if len(calls) > batches:
            raise KeyboardInterrupt
        return generate(*words, **more)

    monkeypatch.setattr(SavedModelGenerator, "generate", generated)
    return calls


@pytest.fixture(scope="module")
def other(tmp_path_factory) -> str:
    """Another model of the same shapes and settings."""
    directory = tmp_path_factory.mktemp("other") / "export"
    settings = pdm.SamplingConfig(thresholding="static")
    export_saved_model(MixtureToy(shift=0.1), directory, "", settings, ["ddpm", "ddim"])
    return str(directory)


def stop(model, out, monkeypatch, batches=1):
    """A sampling that is stopped."""
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        stopped_after(batches, patched)
        written(model, out)


def contents(directory):
    return {f.name: f.read_bytes() for f in directory.rglob("*") if f.is_file()}


def without_digest(out, change):
    """A manifest as it was before there were digests."""
    path = out / "manifest.json"
    there = json.loads(path.read_text())
    for content in (there, there["model"]):
        content.pop("digest", None)
    path.write_text(json.dumps(change(there)))


@pytest.mark.parametrize("known", [True, False])
def test_a_stopped_sampling_goes_on_with_the_same_model_alone(
    model, other, tmp_path, monkeypatch, known
):
    whole, out = written(model, tmp_path / "whole"), tmp_path / "out"
    stop(model, out, monkeypatch)
    if not known:
        without_digest(out, lambda there: there)
    before = contents(out)
    with pytest.raises(InputError, match="another model"):
        written(other, out)
    assert contents(out) == before
    calls = stopped_after(9, monkeypatch)
    np.testing.assert_array_equal(written(model, out), whole)
    assert len(calls) == 2 + (not known)
    assert not (out / ".parts").exists()


def test_a_sampling_stopped_under_version_0_1_goes_on(
    model, other, tmp_path, monkeypatch
):
    def of_then(there):
        """Its keys, `client._claim` of commit 4917ec0."""
        kept = ("num_images", "seed", "guidance", "sampler", "steps", "batch_size")
        given = {name: there[name] for name in kept}
        place = {"savedmodel": there["path"], "litert": ""}
        return {**place, **given, "labels": [], "model": there["model"]}

    out = tmp_path / "out"
    stop(model, out, monkeypatch)
    without_digest(out, of_then)
    with pytest.raises(InputError, match="another model"):
        written(other, out)
    whole = written(model, tmp_path / "whole")
    np.testing.assert_array_equal(written(model, out), whole)


def test_other_batches_may_follow_and_damaged_ones_are_computed_again(
    model, tmp_path, monkeypatch
):
    whole, out = written(model, tmp_path / "whole"), tmp_path / "out"
    stop(model, out, monkeypatch, batches=2)
    (out / ".parts" / "00000000-2.npy").write_bytes(b"cut")
    np.testing.assert_array_equal(written(model, out, batch_size=3), whole)


def test_what_is_complete_is_not_computed_again_unless_it_is_damaged(
    model, tmp_path, monkeypatch
):
    x = written(model, tmp_path)
    calls = stopped_after(9, monkeypatch)
    np.testing.assert_array_equal(written(model, tmp_path), x)
    assert not calls
    data = bytearray((tmp_path / "samples.npz").read_bytes())
    data[400] ^= 1
    (tmp_path / "samples.npz").write_bytes(data)
    np.testing.assert_array_equal(written(model, tmp_path), x)
    assert calls


def test_a_refusal_says_what_differs(model, tmp_path):
    written(model, tmp_path)
    before = (tmp_path / "manifest.json").read_bytes()
    for name, value, shown in (
        ("seed", 1, "1"),
        ("labels", ("1",), "1"),
        ("steps", "5", "5"),
        ("guidance", 2.0, "2.0"),
    ):
        with pytest.raises(InputError) as caught:
            written(model, tmp_path, **{name: value})
        text = str(caught.value)
        assert f"{name} " in text and f" there, {shown} now" in text
        assert "\n" not in text
        assert (tmp_path / "manifest.json").read_bytes() == before
    written(model, tmp_path, labels=("0", "1"))  # all in turn, in other words


# --- other people's files -------------------------------------------------------------


@pytest.mark.parametrize(
    "manifest",
    [b"", b"{", b"[]", b"null", b'{"name": "app"}', b"\xff", b"[" * 100_000, None],
)
def test_what_others_wrote_stays(model, tmp_path, manifest):
    (tmp_path / "000000.png").write_bytes(b"mine")
    if manifest is not None:
        (tmp_path / "manifest.json").write_bytes(manifest)
    with pytest.raises(InputError, match=f"out_dir={tmp_path}: "):
        written(model, tmp_path)
    assert (tmp_path / "000000.png").read_bytes() == b"mine"
    assert len(list(tmp_path.iterdir())) == 1 + (manifest is not None)


def test_links_in_the_place_of_our_names_lead_nowhere(model, tmp_path):
    out, mine = tmp_path / "out", tmp_path / "mine"
    out.mkdir()
    mine.write_bytes(b"mine")
    for name in (".000000.png.new", ".samples.npz.new", ".manifest.json.new"):
        (out / name).symlink_to(mine)
    written(model, out)
    assert mine.read_bytes() == b"mine"
    for name in (".lock", ".parts"):
        other = tmp_path / name[1:]
        other.mkdir()
        (other / name).symlink_to(tmp_path)
        with pytest.raises(InputError):
            written(model, other)


# --- classes by name ------------------------------------------------------------------


def test_classes_by_name_are_in_every_record(tmp_path):
    generator = DenoiserGenerator(MixtureToy(), pdm.SamplingConfig())
    generator.description = {**generator.description, "class_names": ["cat", "a, b"]}
    config = SampleConfig("m", str(tmp_path / "x"), 6, labels=("a", " b", "cat"))
    write_samples(generator, replace(config, steps="3", sampler="ddim"))
    manifest = json.loads((tmp_path / "x" / "manifest.json").read_text())
    assert manifest["labels"] == [1, 0] and manifest["class_names"] == ["cat", "a, b"]
    with np.load(tmp_path / "x" / "samples.npz", allow_pickle=False) as stored:
        assert stored["labels"].tolist() == [1, 0] * 3
        assert stored["class_names"].tolist() == ["cat", "a, b"]
    with pytest.raises(InputError, match="did you mean cat"):
        write_samples(generator, replace(config, labels=("cta",)))


# --- progress -------------------------------------------------------------------------


def test_every_evaluation_is_seen_as_it_ends():
    generator = DenoiserGenerator(MixtureToy(), pdm.SamplingConfig())
    rows = np.arange(3, dtype=np.int32), np.zeros(3, np.int32)
    counts = []
    for sampler, steps in (("heun", "4"), ("heun", "2,3")):
        counts.clear()
        how = steps, 1.5, sampler
        x = generate_watched(generator, *rows, *how, counts.append)
        assert sum(counts) == generator.evaluations(sampler, steps)
        assert generator.evaluated == generator.evaluations(sampler, steps)
        np.testing.assert_array_equal(x, generator.generate(*rows, *how))


def test_progress_comes_while_the_work_is_done():
    done, counts = [0.0], []

    def work():
        for _ in range(3):
            done[0] += 1
            while sum(counts) < done[0]:  # or this never ends
                pass
        return "made"

    assert watched(work, lambda: done[0], counts.append) == "made"
    assert sum(counts) == 3
    with pytest.raises(ZeroDivisionError):
        watched(lambda: 1 / 0, lambda: 0.0, counts.append)


def test_a_saved_model_guesses_by_the_time_gone(model):
    generator = opened(model)
    generator.rehearse(np.zeros(4, np.int32), 1.5, "ddpm")
    assert generator.evaluated > 0


@pytest.mark.parametrize(
    "change",
    [
        {"image_shape": None},
        {"image_shape": [8, 8]},
        {"image_shape": "wide"},
        {"image_shape": [8, 8, -1]},
        {"num_classes": "many"},
        {"timesteps": [1]},
        {"timesteps": 0},
        {"timesteps": 1e400},
        {"samplers": {"ddpm": {}}},
        {"samplers": ["ddpm"]},
        {"sampling": {"sample_guidance": "much"}},
        {"sampling": 3},
        None,
    ],
    ids=str,
)
def test_an_export_that_says_nonsense_of_itself_is_refused(model, monkeypatch, change):
    said = json.dumps(change and {**opened(model).description, **change})
    monkeypatch.setattr(SavedGraph, "run", lambda graph, name, /: {"config": said})
    with pytest.raises(InputError, match="its config does not say"):
        open_generator("model", model)
