"""8-bit files: what is quantised, what is not, and what fixes the ranges."""

import re

import numpy as np
import pytest
from test_export_litert import STATIC, denoised, inputs, small

from pdm_tf.config import ExportConfig, InputError
from pdm_tf.export import litert
from pdm_tf.export.calibration import examples_of, rows_for_export
from pdm_tf.export.quantising import operations_of, quantise
from pdm_tf.networks.sensitivity import SENSITIVE_LAYERS
from pdm_tf.networks.transforms import layers_of
from pdm_tf.serving import LitertNetwork

pytest.importorskip("ai_edge_litert")
pytest.importorskip("ai_edge_quantizer")

WEIGHED = ("CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED")
FLOAT = re.compile(
    r"patches_in|patches_out|variance_|/(down_0_0|up_0_[01])_1/(skip|conv_out)"
)
KINDS = ("dynamic_int8", "static_int8")


@pytest.fixture(scope="module")
def denoiser():
    return small(0)


@pytest.fixture(scope="module")
def path(denoiser, tmp_path_factory):
    file = tmp_path_factory.mktemp("quantised") / "float32.tflite"
    litert.convert(denoiser, file)
    return file


@pytest.fixture(scope="module")
def examples(denoiser):
    config = ExportConfig(calibration_images=2)
    return examples_of(
        rows_for_export(denoiser, STATIC, config), denoiser.schedule, 200
    )


@pytest.fixture(scope="module")
def quantised(path, examples):
    files = {}
    for kind in KINDS:
        files[kind] = path.with_name(f"{kind}.tflite")
        files[kind].write_bytes(quantise(path, kind, examples))
    return files


def weights(path) -> dict[str, str]:
    """Type of the weights of every convolution and projection, by its name."""
    from ai_edge_litert.interpreter import Interpreter

    runtime = Interpreter(str(path))
    tensors = {d["index"]: d for d in runtime.get_tensor_details()}
    found = {}
    for operation in runtime._get_ops_details():
        if operation["op_name"] in WEIGHED:
            place = tensors[operation["outputs"][0]]
            held = tensors[operation["inputs"][1]]
            found[place["name"]] = held["dtype"].__name__
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_all_but_the_ends_and_the_variance_head_is_8_bit(kind, path, quantised):
    before, after = weights(path), weights(quantised[kind])
    assert set(before.values()) == {"float32"}
    kept = [name for name in after if FLOAT.search(name)]
    assert {after[name] for name in kept} == {"float32"}
    for part in ("patches_in", "patches_out", "variance_out", "up_0_1_1/skip"):
        assert any(part in name for name in kept)
    others = [kind for name, kind in after.items() if name not in kept]
    assert len(others) > 20 and set(others) == {"int8"}


@pytest.mark.parametrize("kind", KINDS)
def test_estimates_stay_near_the_models(kind, denoiser, quantised):
    z, t, labels = inputs(6)
    x, variance = LitertNetwork(quantised[kind])(z, t, labels)
    wanted = denoised(denoiser, z, t, labels)
    for found, right in ((x, wanted.x), (variance, wanted.variance)):
        noise = np.square(found - right).mean()
        assert 0 < noise < 0.01 * np.var(right)  # 20 dB


def test_calibration_sees_whole_trajectories_of_every_class(examples):
    """With guidance each is evaluated twice: with its class, and without."""
    visited = [int(example["t"][0]) for example in examples]
    assert visited.count(0) == visited.count(99) == 4 and len(visited) == 100
    labels = {int(example["labels"][0]) for example in examples}
    assert labels == {0, 1, 3}  # two pictures, and no label
    assert all(example["z"].shape[0] == 1 for example in examples)


def test_fewer_examples_are_drawn_from_all(denoiser, examples):
    config = ExportConfig(calibration_images=2, calibration_steps=100)
    few = examples_of(rows_for_export(denoiser, STATIC, config), denoiser.schedule, 30)
    assert len({int(example["t"][0]) for example in few}) > 20


def test_fixed_ranges_span_the_whole_trajectory(path, examples):
    """A timestep whose pictures are larger is not averaged away."""
    near = [dict(example) for example in examples[:4]]
    far = {**near[0], "z": 20.0 * near[0]["z"]}
    errors = []
    for given in (near, [*near, far, *near]):
        file = path.with_name("ranges.tflite")
        file.write_bytes(quantise(path, "static_int8", given))
        x, _ = LitertNetwork(file)(**far)
        wanted, _ = LitertNetwork(path)(**far)
        errors.append(np.square(x - wanted).mean())
    assert errors[1] < 0.5 * errors[0]


@pytest.mark.parametrize("name", ["calibration_images", "calibration_steps"])
def test_to_calibrate_on_nothing_is_refused(name, denoiser):
    with pytest.raises(InputError, match=f"{name}=0"):
        rows_for_export(denoiser, STATIC, ExportConfig(**{name: 0}))


def test_what_stays_float32_is_named_by_layers_that_exist(denoiser):
    paths = list(layers_of(denoiser.network))
    for pattern in SENSITIVE_LAYERS:
        assert any(re.fullmatch(pattern, path) for path in paths), pattern
    assert not any(re.fullmatch(p, "up_1_0/skip") for p in SENSITIVE_LAYERS)


@pytest.mark.parametrize("name", ["time_1", "patches_in", "up_0_1/skip"])
def test_a_layer_is_found_by_its_whole_path(name, path):
    """And no other: the time layer of a block, numbered, is not `time_1`."""
    (found,) = [n for n in weights(path) if re.search(operations_of([name]), f"{n};")]
    assert "down" not in found and name.rpartition("/")[2] in found
