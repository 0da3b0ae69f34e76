"""A quantised model as a .tflite file: its own codes, its own ranges."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from test_export_litert import STATIC, denoised, inputs, small

from pdm_tf.config import ExportConfig, InputError
from pdm_tf.config.quantization import MinMaxConfig
from pdm_tf.denoisers.network import NetworkDenoiser
from pdm_tf.evaluation.metrics import sqnr
from pdm_tf.export.calibration import rows_for_export
from pdm_tf.export.litert_file import write_litert
from pdm_tf.export.own_ranges import held_layers, quantise_as_held, unrounded
from pdm_tf.quantization.deriving import Fitting, plan_of
from pdm_tf.quantization.layer import QuantizedLayer
from pdm_tf.quantization.min_max import fit_nearest
from pdm_tf.quantization.spec import LayerSpec, spec_of
from pdm_tf.serving import LitertNetwork

pytest.importorskip("ai_edge_litert")
pytest.importorskip("ai_edge_quantizer")

HOW = [pytest.param("dynamic_int8", marks=pytest.mark.slow), "static_int8"]
ALL_BUT = ("up_0_1/.*",)
INT8, INT4 = 9, 17  # in the files' schema
FEW = ExportConfig(
    quantize="static_int8",
    calibration_images=2,
    calibration_steps=5,
    float_layers=ALL_BUT,
)


@pytest.fixture(scope="module")
def base():
    return small(0)


@pytest.fixture(scope="module")
def model(base):
    """4-bit weights, symmetric, 8-bit inputs; attention's factors in float32."""
    config = MinMaxConfig(weight_bits=4, attention_bits=32)
    plan = plan_of(base, spec_of(config, "symmetric"))
    rows = rows_for_export(base, STATIC, FEW)[0]
    fit_nearest(Fitting(base, plan, rows, "it", None))
    return base.with_plan(plan)


@pytest.fixture(scope="module")
def written(model, tmp_path_factory):
    """Writes the file of a kind, once."""

    @cache
    def write(how: str) -> Path:
        place = tmp_path_factory.mktemp("own") / f"{how}.tflite"
        config = ExportConfig(**(vars(FEW) | {"quantize": how}))
        write_litert(model, place, STATIC, config)
        return place

    return write


@pytest.mark.parametrize("how", HOW)
def test_the_file_computes_what_the_quantised_model_says(how, base, model, written):
    """This net of random weights makes much of every rounding: of what is read too."""
    given = inputs(6)
    found, _ = LitertNetwork(written(how))(*given)
    codes = np.asarray(denoised(unrounded(model), *given).x)
    wanted = np.asarray(denoised(model, *given).x)
    far = sqnr(np.asarray(denoised(base, *given).x), wanted)
    if how == "dynamic_int8":  # codes are the model's, and ranges those of each call
        assert sqnr(codes, found) > sqnr(codes, wanted) + 8
    assert sqnr(wanted, found) > far + 5


@pytest.mark.parametrize("how", HOW)
def test_4_bit_codes_take_4_bits_and_fixed_ranges_are_the_models(how, model, written):
    from ai_edge_litert.tools import flatbuffer_utils

    held = held_layers(model, how, ALL_BUT)
    (graph,) = flatbuffer_utils.read_model(str(written(how))).subgraphs
    narrow = [t for t in graph.tensors if t.type == INT4]
    assert len(narrow) == sum(layer.bits == 4 for layer in held.values()) > 20
    steps = np.array([t.quantization.scale[0] for t in graph.tensors if _int8(t)])
    ends = [layer.ends for layer in held.values() if layer.ends]
    assert bool(ends) == (how == "static_int8")
    for low, high in ends:
        assert np.isclose(steps, (high - low) / 255, rtol=1e-5).any(), (low, high)


def test_what_litert_cannot_compute_stays_and_a_plain_model_is_refused(base, model):
    layer = model.plan["down_0_0/conv_in"]
    grouped = LayerSpec(layer.spec.weights, layer.spec.activations, groups=4)
    plan = model.plan | {"down_0_0/conv_in": QuantizedLayer(layer.shape, grouped)}
    made = NetworkDenoiser(base.network, base.schedule, "x", plan=plan)
    assert "down_0_0/conv_in" not in held_layers(made, "static_int8")
    with pytest.raises(InputError, match="openvino"):
        quantise_as_held(Path("none.tflite"), held_layers(base, "static_int8"))


def _int8(tensor) -> bool:
    kept = tensor.quantization
    return tensor.type == INT8 and kept is not None and kept.scale is not None
