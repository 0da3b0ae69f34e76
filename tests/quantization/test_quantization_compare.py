"""Several methods on one base: one table, one picture, and on again after a stop."""

import json

import numpy as np
import pytest
from PIL import Image
from tiny_runs import make_run

from pdm_tf.assemble import methods_compared
from pdm_tf.config import InputError
from pdm_tf.quantization.__main__ import main

BITS = ["--weight_bits=6", "--activation_bits=8"]
DRAWN = ["--report_images=3", "--report_steps=2", "--report_batch=3"]


def command(base, out, *words):
    return ["pdm-tf quantization", "compare", f"--base={base}", f"--out={out}", *words]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    shape = {"image_shape": (16, 16, 1), "patch_size": 4, "num_classes": 2}
    return make_run(tmp_path_factory.mktemp("compared") / "base", 1, network=shape)


@pytest.mark.slow
def test_methods_come_in_one_table_and_one_picture(base, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(methods_compared, "_settings_of", quick(monkeypatch))
    words = ["--methods=min_max,low_bit_float", *BITS, *DRAWN]
    assert main(command(base, tmp_path / "out", *words)) == 0
    table = capsys.readouterr().out
    rows = json.loads((tmp_path / "out" / "comparison.json").read_text())["rows"]
    assert [row["name"] for row in rows] == ["base", "min_max", "low_bit_float"]
    assert np.isfinite(rows[1]["sqnr"]) and "choose 4 or 8" in rows[2]["refused"]
    assert "| min_max |" in table and "choose 4 or 8" in table
    with Image.open(tmp_path / "out" / "comparison.png") as picture:
        assert picture.height > picture.width / 2  # a row each of base and min_max
    made = tmp_path / "out" / "min_max" / "weights.safetensors"
    before = made.stat().st_mtime_ns
    assert main(command(base, tmp_path / "out", *words)) == 0
    assert made.stat().st_mtime_ns == before


def quick(monkeypatch):
    real = methods_compared._settings_of

    def settings_of(config, given):
        from dataclasses import replace

        return replace(real(config, given), calibration_images=2, calibration_steps=2)

    return settings_of


@pytest.mark.parametrize("word", ["--methods=min_maxx", "--methods=", "--out="])
def test_what_cannot_be_compared_is_refused(word, tmp_path):
    words = [w for w in command("pretrained:mnist", tmp_path) if word[:5] not in w]
    with pytest.raises(InputError, match=word[2:5]):
        main([*words, word])
