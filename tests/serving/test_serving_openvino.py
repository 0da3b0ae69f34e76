"""OpenVINO folders: the estimates are the model's, and so are the pictures."""

import json
from pathlib import Path

import numpy as np
import pytest
from tiny_models import SHAPE, small_denoiser

import pdm_tf as pdm
from pdm_tf.commands.sample import main as sample
from pdm_tf.config import ExportConfig, InputError
from pdm_tf.export.litert_file import describe_network
from pdm_tf.export.openvino import write_openvino
from pdm_tf.serving import DenoiserGenerator, OpenvinoNetwork, open_generator
from pdm_tf.serving import openvino_network as served
from pdm_tf.serving.openvino_network import checksums, open_directory, report_of

pytest.importorskip("openvino")

COUNT = sum(served.AT_ONCE) + 3  # in groups of all sizes, and some alone
STATIC = pdm.SamplingConfig(thresholding="static")


def inputs(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """z, t and labels, every row different."""
    z = np.random.default_rng(0).normal(size=(count, *SHAPE)).astype(np.float32)
    t = np.linspace(0, 999, count).astype(np.int32)
    return z, t, np.arange(count, dtype=np.int32) % 4


@pytest.fixture(scope="module")
def denoiser() -> pdm.NetworkDenoiser:
    return small_denoiser()


@pytest.fixture(scope="module")
def folder(denoiser, tmp_path_factory) -> str:
    """Its folder, with a report that says no more than is needed."""
    path = tmp_path_factory.mktemp("openvino") / "float32"
    path.mkdir()
    write_openvino(denoiser, path, STATIC, ExportConfig(format="openvino"))
    report = {"sha256": checksums(path), "precision": "float32"}
    report["model"] = describe_network(denoiser, STATIC, "--a=b")
    report_of(path).write_text(json.dumps(report))
    return str(path)


def test_estimates_are_the_models(denoiser, folder):
    z, t, labels = inputs(5)
    x, variance = OpenvinoNetwork(folder)(z, t, labels)
    wanted = denoiser.conditioned(labels)(z, denoiser.schedule.level(t))
    assert np.std(x) > 0.1
    np.testing.assert_allclose(x, wanted.x, atol=1e-5)
    np.testing.assert_allclose(variance, wanted.variance, atol=1e-5)


def test_many_are_computed_at_once_to_the_same_bits(folder):
    given = dict(zip(("z", "t", "labels"), inputs(COUNT), strict=True))
    network, count = OpenvinoNetwork(folder), COUNT
    alone = [
        network(**{k: v[i : i + 1] for k, v in given.items()}) for i in range(count)
    ]
    order = np.random.default_rng(1).permutation(count)
    for rows in (np.arange(count), order):
        x, variance = network(**{k: v[rows] for k, v in given.items()})
        for found, at in ((x, 0), (variance, 1)):
            np.testing.assert_array_equal(found, [alone[i][at][0] for i in rows])
    assert network.at_once(given) == list(served.AT_ONCE)


def test_only_groups_that_are_used_are_opened(folder, monkeypatch):
    network, sizes = OpenvinoNetwork(folder), set()
    evaluate = network.evaluate

    def seen(rows):
        sizes.add(len(rows["z"]))
        return evaluate(rows)

    monkeypatch.setattr(network, "evaluate", seen)
    for count, used in ((5, {1, 4}), (16, {1, 16})):  # the first alone, to compare
        network(*inputs(count))
        assert sizes == used
        sizes.clear()


def test_where_many_at_once_give_other_bits_each_is_computed_alone(folder, monkeypatch):
    z, t, labels = inputs(served.AT_ONCE[-1])
    network = OpenvinoNetwork(folder)
    evaluate = network.evaluate

    def rounding(rows):
        found = evaluate(rows)
        return {"x": found["x"] + np.float32(1e-6) * (len(rows["z"]) > 1)}

    monkeypatch.setattr(network, "evaluate", rounding)
    x, _ = network(z, t, labels)
    assert network.at_once({"z": z}) == []
    np.testing.assert_array_equal(x[:1], network(z[:1], t[:1], labels[:1])[0])


def test_what_the_model_does_not_have_is_refused(folder):
    network, _ = open_directory("model", folder)
    z, t, labels = inputs(2)
    network(z, t, labels)
    for wrong in ((t + 1, labels), (t - 1, labels), (t, labels + 3), (t, labels - 1)):
        with pytest.raises(InputError, match="must be from 0 to") as error:
            network(z, *wrong)
        assert "\n" not in str(error.value)


def test_pictures_are_the_models_in_any_batch(denoiser, folder):
    generator = open_generator("model", folder)
    seeds, labels = np.arange(5), np.arange(5) % 3
    request = (4, 1.5, "ddpm")
    whole = generator.generate(seeds, labels, *request)
    assert whole.dtype == np.uint8 and whole.std() > 5
    rows = [0, 1, 2], [3, 4]
    parts = [generator.generate(seeds[i], labels[i], *request) for i in rows]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    wanted = DenoiserGenerator(denoiser, STATIC).generate(seeds, labels, *request)
    assert np.abs(whole.astype(int) - wanted).max() <= 1


def test_sample_draws_with_a_folder(folder, tmp_path):
    out = tmp_path / "made"
    flags = ["--num_images=2", "--steps=2", "--sampler=ddim", f"--out_dir={out}"]
    sample(["", f"--model={folder}", *flags])
    assert (out / "000001.png").is_file()
    assert json.loads((out / "manifest.json").read_text())["path"] == folder


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda path: report_of(path).unlink(), "report.json is missing"),
        (lambda path: (path / "model.bin").unlink(), "model.bin is missing"),
        (lambda path: report_of(path).write_text("{"), "no report of it"),
        (lambda path: (path / "model.bin").write_bytes(b"x"), "is not the file that"),
    ],
)
def test_a_damaged_folder_is_refused(change, words, tmp_path):
    for name in (served.MODEL, served.WEIGHTS):
        (tmp_path / name).write_bytes(b"something")
    said = {"sha256": checksums(tmp_path), "precision": "float32", "model": {}}
    report_of(tmp_path).write_text(json.dumps(said))
    with pytest.raises(InputError, match="not a model that OpenVINO reads"):
        open_directory("model", str(tmp_path))
    change(tmp_path)
    with pytest.raises(InputError, match=words) as error:
        open_directory("model", str(tmp_path))
    assert "--format=openvino" in str(error.value)


def test_a_processor_without_bfloat16_computes_in_float32(
    folder, monkeypatch, capsys, tmp_path
):
    runtime = served.load_runtime()

    class Older(runtime.Core):
        def get_property(self, device, name):
            if name == "OPTIMIZATION_CAPABILITIES":
                return ["FP32"]
            return super().get_property(device, name)

    monkeypatch.setattr(runtime, "Core", Older)
    z, t, labels = inputs(1)
    lower = OpenvinoNetwork(folder, "bfloat16")
    assert lower.precision == "float32"
    np.testing.assert_array_equal(
        lower(z, t, labels)[0], OpenvinoNetwork(folder)(z, t, labels)[0]
    )

    for path in Path(folder).iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    said = json.loads(report_of(tmp_path).read_text()) | {"precision": "bfloat16"}
    report_of(tmp_path).write_text(json.dumps(said))
    open_generator("model", tmp_path)
    assert "has no bfloat16; computing in float32" in capsys.readouterr().err
