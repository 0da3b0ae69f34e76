""".tflite files: the estimates are the model's, and so are the pictures."""

import json

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from quick import cases
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from toys import CountingToy

import pdm_tf as pdm
from pdm_tf.config import ExportConfig, InputError, SampleConfig
from pdm_tf.export import litert
from pdm_tf.export.litert_file import describe_network, write_litert
from pdm_tf.serving import (
    DenoiserGenerator,
    LitertGenerator,
    LitertNetwork,
    open_generator,
    write_samples,
)
from pdm_tf.serving.litert_network import open_file, report_of
from pdm_tf.storage.files import checksum

pytest.importorskip("ai_edge_litert")

SHAPE, STEPS = (8, 8, 1), 4
STATIC = pdm.SamplingConfig(thresholding="static")


def small(seed: int, patch: int = 2, num_classes: int = 3) -> pdm.NetworkDenoiser:
    """Of an untrained network with every kind of layer, no weight of it zero."""
    keras.utils.set_random_seed(seed)
    network = pdm.PatchedUNet(
        pdm.UNetConfig(
            image_shape=SHAPE,
            patch_size=patch,
            width=16,
            channel_multipliers=(1.0, 2.0),
            blocks_per_level=(1,),
            attention_resolutions=(2,),
            num_classes=num_classes,
        )
    )
    schedule = pdm.NoiseSchedule.linear(100, 0.2)
    return pdm.NetworkDenoiser(reference.randomise(network), schedule, "x")


def inputs(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """z, t and labels, every row different."""
    z = np.random.default_rng(seed).normal(size=(count, *SHAPE)).astype(np.float32)
    t = np.linspace(0, 99, count).astype(np.int32)
    return z, t, np.arange(count, dtype=np.int32) % 4


def operations(directory) -> set[str]:
    """Kinds of operations in all functions of a SavedModel."""
    model = SavedModel.FromString((directory / "saved_model.pb").read_bytes())
    library = model.meta_graphs[0].graph_def.library
    return {node.op for function in library.function for node in function.node_def}


def denoised(denoiser, z, t, labels) -> pdm.Prediction:
    known = denoiser.conditioned(labels) if denoiser.num_classes else denoiser
    return known(tf.constant(z), denoiser.schedule.level(t))


@pytest.fixture(scope="module")
def denoiser() -> pdm.NetworkDenoiser:
    return small(0)


@pytest.fixture(scope="module")
def path(denoiser, tmp_path_factory) -> str:
    """Its file, with a report that says no more than is needed."""
    file = tmp_path_factory.mktemp("litert") / "float32.tflite"
    litert.convert(denoiser, file)
    model = describe_network(denoiser, STATIC, "--a=b")
    report_of(file).write_text(json.dumps({"sha256": checksum(file), "model": model}))
    return str(file)


def test_estimates_are_the_models(denoiser, path):
    z, t, labels = inputs(5)
    x, variance = LitertNetwork(path)(z, t, labels)
    wanted = denoised(denoiser, z, t, labels)
    np.testing.assert_allclose(x, wanted.x, atol=1e-5)
    np.testing.assert_allclose(variance, wanted.variance, atol=1e-5)


@pytest.mark.slow  # parts are put together as those of every graph are
def test_a_split_without_classes_converts_as_well(tmp_path):
    denoiser = pdm.split(small(1, num_classes=0), small(2, num_classes=0), snr=0.5)
    z, t, labels = inputs(3)
    litert.convert(denoiser, tmp_path / "it.tflite")
    x, _ = LitertNetwork(tmp_path / "it.tflite")(z, t, labels)
    for i in range(len(z)):
        row = slice(i, i + 1)
        wanted = denoised(denoiser, z[row], t[row], labels[row]).x
        np.testing.assert_allclose(x[row], wanted, atol=1e-5)


@pytest.mark.parametrize(
    "patch",
    [2, *(pytest.param(patch, marks=pytest.mark.slow) for patch in (1, 4))],
)
def test_what_is_converted_is_the_same_map_bit_for_bit(patch, tmp_path):
    litert.save(small(3, patch), tmp_path)
    z, t, labels = (tf.constant(given) for given in inputs(1))

    def evaluated() -> dict[str, np.ndarray]:
        denoise = tf.saved_model.load(str(tmp_path)).signatures[litert.SIGNATURE]
        return {k: v.numpy() for k, v in denoise(z=z, t=t, labels=labels).items()}

    before = evaluated()
    assert "ExtractImagePatches" in operations(tmp_path)
    litert.adapt(tmp_path)
    assert "ExtractImagePatches" not in operations(tmp_path)
    after = evaluated()
    for name in ("x", "variance"):
        np.testing.assert_array_equal(before[name], after[name])


@pytest.mark.parametrize("sampler", cases(["ddpm", "dpm_solver", "heun"], ["ddpm"]))
def test_pictures_are_the_models_in_any_batch(sampler, denoiser, path):
    generator = LitertGenerator("model", path)
    seeds, labels = np.arange(5), np.arange(5) % 3
    request = (str(STEPS), 1.5, sampler)
    whole = generator.generate(seeds, labels, *request)
    assert whole.dtype == np.uint8 and whole.std() > 5
    parts = [
        generator.generate(seeds[i], labels[i], *request) for i in ([0, 1, 2], [3, 4])
    ]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    wanted = DenoiserGenerator(denoiser, STATIC).generate(seeds, labels, *request)
    assert np.abs(whole.astype(int) - wanted).max() <= 1


def test_sections_of_steps_serve_as_well(path):
    generator = LitertGenerator("model", path)
    assert generator.generate([0], [0], "2,2", 1.0, "ddim").shape == (1, *SHAPE)


def test_sample_writes_pictures_with_a_file(path, tmp_path):
    settings = {"num_images": 3, "batch_size": 2, "steps": str(STEPS)}
    config = SampleConfig(model=path, out_dir=str(tmp_path), **settings)
    write_samples(open_generator("model", path), config)
    made = np.load(tmp_path / "samples.npz", allow_pickle=False)["arr_0"]
    assert made.shape == (3, *SHAPE)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["path"] == path and manifest["model"]["record"] == "--a=b"


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"sampler": "best"}, "sampler=best"),
        ({"steps": "101"}, "choose 1 to 100"),
        ({"labels": (4,)}, "labels=4"),
    ],
)
def test_what_does_not_fit_writes_nothing(settings, words, path, tmp_path):
    out = tmp_path / "new"
    with pytest.raises(InputError, match=words):
        config = SampleConfig(model=path, out_dir=str(out), **settings)
        write_samples(open_generator("model", path), config)
    assert not out.exists()


@pytest.mark.parametrize(
    "report, words",
    [
        (None, "its report it.json is missing"),
        ("{", "no report of it"),
        ('{"sha256": "0"}', "no report of it"),
        ('{"sha256": "0", "model": {}}', "not the file that it.json is of"),
    ],
)
def test_a_file_without_its_own_report_is_refused(report, words, tmp_path):
    (tmp_path / "it.tflite").write_bytes(b"something")
    if report is not None:
        (tmp_path / "it.json").write_text(report)
    with pytest.raises(InputError, match=words) as error:
        open_file("model", str(tmp_path / "it.tflite"))
    assert "model=" in str(error.value) and "--format=litert" in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        open_file("model", str(tmp_path / "it.tflite"))


def test_a_broken_file_with_its_report_is_refused(tmp_path):
    file = tmp_path / "it.tflite"
    file.write_bytes(b"something")
    report = {"sha256": checksum(file), "model": {}}
    report_of(file).write_text(json.dumps(report))
    with pytest.raises(InputError, match="not a file that LiteRT reads"):
        open_file("model", str(file))


def test_a_model_that_carries_state_is_refused(tmp_path):
    """Each step needs what the one before left, which one evaluation cannot hold."""
    stateful = CountingToy()
    with pytest.raises(InputError, match="format=savedmodel"):
        write_litert(stateful, tmp_path / "it.tflite", STATIC, ExportConfig())
    assert not list(tmp_path.iterdir())
