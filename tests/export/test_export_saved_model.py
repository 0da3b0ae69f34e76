"""SavedModels: every sampler on the shelf, as in Python, by every loader."""

import json
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from quick import cases
from toys import MixtureToy

import pdm_tf as pdm
from pdm_tf.config import ExportConfig, InputError
from pdm_tf.config.sampling import BEST
from pdm_tf.data.images import to_uint8
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.export import export_saved_model
from pdm_tf.export.saved_model import build_module
from pdm_tf.samplers import SAMPLERS, SPACINGS, open_samplers, sample
from pdm_tf.samplers.shelf import FRAMEWORKS
from pdm_tf.serving import SavedModelGenerator, weights
from pdm_tf.serving.operations import find_untrusted
from pdm_tf.serving.saved_graph import read_meta_graph

SEEDS, LABELS, STEPS, WEIGHT = [5, 6, 9], [1, 0, 1], 7, 1.5
FIRST = next(iter(SAMPLERS))


def tiny_denoiser(seed: int, num_classes: int = 3) -> pdm.NetworkDenoiser:
    """Of an untrained network whose output is nevertheless no constant."""
    keras.utils.set_random_seed(seed)
    network = pdm.PatchedUNet(
        pdm.UNetConfig(
            image_shape=(8, 8, 1),
            width=32,
            channel_multipliers=(1.0,),
            blocks_per_level=(1,),
            attention_resolutions=(),
            num_classes=num_classes,
        )
    )
    for variable in network.trainable_variables:
        variable.assign(variable + 0.05 * keras.random.normal(variable.shape))
    return pdm.NetworkDenoiser(network, pdm.NoiseSchedule.linear(100, 0.2), "x")


def name_of(sampler: str, stem: str = "sample") -> str:
    return stem if sampler == FIRST else f"{stem}_{sampler}"


def request(**where) -> dict:
    return {"seeds": SEEDS, "labels": LABELS, "guidance": WEIGHT, **where}


def tensors(inputs: dict) -> dict:
    return {name: tf.constant(value) for name, value in inputs.items()}


def saved_gradients(graph_def):
    """Gradients that whoever loads a graph registers for ever."""
    for function in graph_def.library.function:
        for node in function.node_def:
            name = node.attr["_gradient_op_type"].s
            if name.startswith(b"CustomGradient"):
                yield name


@pytest.fixture(scope="module")
def loaded(exported):
    return tf.saved_model.load(exported)


@pytest.fixture(scope="module")
def served(exported) -> dict[str, np.ndarray]:
    """Every sampler's pictures by the loader that TF Serving and C++ use."""
    v1 = tf.compat.v1
    with v1.Session(graph=tf.Graph()) as session:
        graph, made = v1.saved_model.load(session, ["serve"], exported), {}
        for sampler in SAMPLERS:
            signature = graph.signature_def[name_of(sampler)]
            inputs = request(steps=STEPS).items()
            feed = {signature.inputs[name].name: value for name, value in inputs}
            made[sampler] = session.run(signature.outputs["images"].name, feed)
    return made


@pytest.mark.parametrize("name", cases(SAMPLERS, ("ddpm", "heun", "plms")))
def test_every_sampler_gives_what_python_gives(name, parted, sampling, loaded, served):
    made = loaded.signatures[name_of(name)](**tensors(request(steps=STEPS)))["images"]
    sampler = open_samplers([name], sampling.variance)[name]
    denoise = for_sampling(parted, LABELS, WEIGHT, sampling)
    grid = parted.schedule.grid(STEPS, SPACINGS[name])
    x = to_uint8(sample(denoise, sampler, grid, SEEDS, parted.image_shape)).numpy()
    assert x.std() > 5
    np.testing.assert_array_equal(made, x)
    np.testing.assert_array_equal(served[name], x)


@pytest.mark.parametrize("name", SAMPLERS)
def test_steps_are_the_timesteps_that_they_stand_for(name, parted, loaded):
    signatures = loaded.signatures
    for steps in (1, 4):
        t = parted.schedule.grid(steps, SPACINGS[name]).t.numpy()
        at = signatures[name_of(name, "sample_at")](**tensors(request(timesteps=t)))
        by = signatures[name_of(name)](**tensors(request(steps=steps)))
        np.testing.assert_array_equal(at["images"], by["images"])


def test_what_is_in_it_is_trusted(exported):
    assert find_untrusted(read_meta_graph(Path(exported))) == []


def test_generators_of_one_export_share_its_graph(exported):
    first, second = (SavedModelGenerator("model", exported) for _ in range(2))
    assert first._graph is second._graph


def test_samplers_differ(served):
    pictures = list(served.values())
    for i, picture in enumerate(pictures):
        assert not any(np.array_equal(picture, other) for other in pictures[:i])


def test_it_names_its_samplers_and_what_they_cost(loaded):
    said = json.loads(loaded.signatures["config"]()["config"].numpy())
    assert said["sampler"] == FIRST
    assert list(said["samplers"]) == list(SAMPLERS)
    assert said["samplers"]["heun"] == {"spacing": SPACINGS["heun"], "evaluations": 2}
    assert said["samplers"]["ddpm"]["evaluations"] == 1
    assert said["record"] == "--a=b" and said["lineage"] == []


# Of constants are the exports of the tests above, too.
@pytest.mark.parametrize("limit", [pytest.param(2**30, marks=pytest.mark.slow), 0])
def test_networks_draw_the_same_and_are_stored_once(
    limit, tmp_path, sampling, monkeypatch
):
    monkeypatch.setattr(weights, "CONSTANT", limit)
    parts = tiny_denoiser(0), tiny_denoiser(1)
    denoise, names = (
        pdm.split(*parts, snr=0.5),
        ("dpm_solver", "ddim")[: 1 + bool(limit)],
    )
    export_saved_model(denoise, tmp_path / "export", "", sampling, names)
    meta_graph = read_meta_graph(tmp_path / "export")
    assert find_untrusted(meta_graph) == []
    assert not list(saved_gradients(meta_graph.graph_def))
    signatures = tf.saved_model.load(str(tmp_path / "export")).signatures
    served = denoise.with_constant_weights() if limit else denoise  # as the export is
    guided, grid = (
        for_sampling(served, LABELS, WEIGHT, sampling),
        denoise.schedule.grid(STEPS),
    )
    for name, end in zip(names, ("", "_ddim"), strict=False):
        made = signatures[f"sample{end}"](**tensors(request(steps=STEPS)))
        x = sample(guided, SAMPLERS[name](), grid, SEEDS, denoise.image_shape)
        np.testing.assert_array_equal(made["images"], to_uint8(x))
    held = [v.shape for part in parts for v in part.network.variables]
    numbers = sum(int(np.prod(shape)) for shape in held)
    described = json.loads(signatures["config"]()["config"].numpy())
    assert described["parameters"] == numbers
    file = "saved_model.pb" if limit else "variables/variables.data-00000-of-00001"
    stored = (tmp_path / "export" / file).stat().st_size
    assert 4 * numbers < stored < 8 * numbers


def test_the_default_signature_is_the_first_sampler(tmp_path):
    export_saved_model(MixtureToy(), tmp_path / "one", samplers=["plms", "ddim"])
    signatures = tf.saved_model.load(str(tmp_path / "one")).signatures
    named = {"serving_default", "sample", "sample_at", "denoise", "config"}
    ddim = {"sample_ddim", "sample_at_ddim"}
    assert set(signatures) == named | ddim  # those for servers are not asked for
    inputs = tensors({**request(steps=STEPS), "labels": [1, 0, 1]})
    first, default = (
        signatures[name](**inputs) for name in ("sample", "serving_default")
    )
    np.testing.assert_array_equal(first["images"], default["images"])
    other = signatures["sample_ddim"](**inputs)
    assert not np.array_equal(first["images"], other["images"])


def test_one_trace_serves_every_request():
    @dataclass
    class Count:
        traces: int = 0

    count = Count()

    class Counted(MixtureToy):
        def __call__(self, z, level):
            count.traces += 1
            return super().__call__(z, level)

    samplers = open_samplers(["ddim", "heun"], "learned")
    _, signatures = build_module(Counted(), "", pdm.SamplingConfig(), samplers)
    for function in signatures.values():
        function.get_concrete_function()
    before = count.traces
    for number, steps in ((1, 2), (3, 5), (2, 1)):
        for end in ("", "_heun"):
            inputs = {"seeds": tf.range(number), "labels": tf.zeros([number], tf.int32)}
            inputs["guidance"] = tf.constant(1.5)
            images = signatures[f"sample{end}"](steps=tf.constant(steps), **inputs)
            assert images["images"].shape == (number, *MixtureToy().image_shape)
    assert count.traces == before > 0


@pytest.mark.parametrize("names", [[], ["ddim", "best"]])
def test_samplers_that_are_not_there_are_refused_before_anything_is_written(
    names, tmp_path
):
    with pytest.raises(InputError, match=r"sampler.*choose from ddpm, ddim"):
        export_saved_model(MixtureToy(), tmp_path / "new", samplers=names)
    assert not list(tmp_path.iterdir())


def test_what_is_exported_and_sampled_by_default_is_on_the_shelf():
    assert set(SPACINGS) == set(SAMPLERS) | set(FRAMEWORKS)
    held = ExportConfig().sampler
    assert set(held) <= set(SAMPLERS)
    assert held[0] == "ddpm"  # the paper's, for whoever serves it
    assert BEST.sampler in held


def test_an_older_export_is_replaced_and_other_things_are_not(tmp_path):
    where: Path = tmp_path / "export"
    export_saved_model(MixtureToy(), where, samplers=["ddim"])
    export_saved_model(MixtureToy(), where, samplers=["plms"])
    text = tf.saved_model.load(str(where)).signatures["config"]()["config"].numpy()
    assert json.loads(text)["sampler"] == "plms"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "text").write_text("dear")
    with pytest.raises(InputError, match="export_dir"):
        export_saved_model(MixtureToy(), tmp_path / "mine", samplers=["ddim"])
    assert (tmp_path / "mine" / "text").read_text() == "dear"
    assert {path.name for path in tmp_path.iterdir()} == {"export", "mine"}
