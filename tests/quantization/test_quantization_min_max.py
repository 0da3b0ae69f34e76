"""Min-max: what any quantised model must do, tried on the plainest."""

import json

import numpy as np
import pytest
from tiny_models import small_denoiser

from pdm_tf import assemble
from pdm_tf.config import Config
from pdm_tf.config.quantization import MinMaxConfig
from pdm_tf.denoisers.derivation import Context
from pdm_tf.evaluation.metrics import sqnr
from pdm_tf.quantization import deriving, min_max
from pdm_tf.quantization.__main__ import main
from pdm_tf.quantization.calibration import calibration_rows
from pdm_tf.quantization.observing import call_eagerly

QUICK = {"calibration_images": 3, "calibration_steps": 5}


@pytest.fixture(scope="module")
def base():
    return small_denoiser()


@pytest.fixture(scope="module")
def rows(base):
    return calibration_rows(base, Config().sampling, *QUICK.values())


@pytest.fixture(scope="module")
def derived(base, rows):
    """Derives with settings; all are calibrated on the same rows."""

    def derive(**settings):
        config = MinMaxConfig(**{**QUICK, **settings})
        context = Context(Config(), lambda: None)
        return min_max.derive(base, config, context).denoiser

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(deriving, "calibration_rows", lambda *_: rows)
        yield derive


def every(bits):
    names = ("weight_bits", "activation_bits", "outer_bits", "attention_bits")
    return dict.fromkeys(names, bits)


def outputs(denoise, rows):
    """On what the ranges were measured on."""
    return call_eagerly(denoise, next(rows[0].batches(100)), {})[0].numpy()


def decibels(base, rows, denoise):
    return float(np.mean(sqnr(outputs(base, rows), outputs(denoise, rows))))


def test_float32_everywhere_is_the_base_bit_for_bit(base, rows, derived):
    same = derived(**every(32))
    np.testing.assert_array_equal(outputs(same, rows), outputs(base, rows))


def test_more_bits_are_nearer_to_the_base(base, rows, derived):
    found = [decibels(base, rows, derived(**every(bits))) for bits in (6, 16)]
    assert found[0] < 40 and found[1] > 60


def test_a_model_of_four_bits_takes_four_bits_on_disk(tiny_run, tmp_path):
    sizes = []
    for bits in ("4", "8"):
        out = tmp_path / bits
        words = [f"--{n}={bits}" for n in ("weight_bits", "outer_bits")]
        words += [f"--{name}={value}" for name, value in QUICK.items()]
        words += [f"--base={tiny_run}", f"--out={out}", "--report_images=0"]
        assert main(["pdm-tf quantization", "min_max", *words]) == 0
        sizes.append((out / "weights.safetensors").stat().st_size)
        assert json.loads((out / "model.json").read_text())["kind"] == "quantized"
    network = assemble.restore(tiny_run).network
    kernels = sum(v.numpy().size for v in network.variables if "kernel" in v.path)
    assert sizes[1] - sizes[0] == pytest.approx(kernels / 2, rel=0.02)


def test_the_report_says_what_it_costs(base, derived):
    found = min_max.measure(base, derived(weight_bits=4))
    (whole, packed), (operations, fewer) = found.values()
    assert packed < 0.5 * whole and fewer < 0.1 * operations
