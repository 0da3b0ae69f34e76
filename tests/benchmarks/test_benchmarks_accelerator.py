"""Graphs for an accelerator: what is written is complete, and small enough to take."""

import importlib.util
import json
import lzma
import sys
from dataclasses import dataclass, replace

import pytest

from benchmarks import race
from benchmarks.accelerator import __main__ as racing
from benchmarks.accelerator import cases, prepare
from pdm_tf.config import Config, TransformerConfig, UNetConfig

SMALL = UNetConfig(
    image_shape=(8, 8, 1),
    patch_size=2,
    width=8,
    channel_multipliers=(1.0,),
    blocks_per_level=1,
    attention_resolutions=(),
)
JIT = replace(SMALL, architecture="jit", num_classes=3)
TRANSFORMER = TransformerConfig(
    hidden_size=16,
    depth=2,
    num_heads=2,
    bottleneck=4,
    context_tokens=2,
    context_start=1,
)


@dataclass(frozen=True)
class Tiny(cases.AcceleratorCase):
    """A case of a network that compiles in a moment."""

    def config(self, precision="float32"):
        network = {"unet": SMALL, "jit": JIT}[self.flagfile]
        network = replace(network, precision=precision)
        return Config(network=network, transformer=TRANSFORMER)


def test_every_case_names_a_flagfile_and_is_there_once():
    assert all(case.config().network.image_shape for case in cases.CASES)
    assert len({case.name for case in cases.CASES}) == len(cases.CASES)


def test_evaluations_are_those_of_the_work():
    assert [
        Tiny("unet", work, 2, steps=7).evaluations
        for work in ("call", "train", "sample")
    ] == [1, 3, 7]


@pytest.mark.parametrize("network", ["unet", "jit"])
def test_a_call_is_written_with_all_that_it_reads(network, tmp_path):
    prepare.prepare(Tiny(network, "call", 2), "mixed_bfloat16", tmp_path)
    (file,) = tmp_path.glob("*.json")
    about = json.loads(file.read_text())
    text = lzma.decompress((tmp_path / about["graph"]).read_bytes()).decode()
    main = text[text.index("@main") :]
    taken = main[: main.index("{\n")].count("%arg")
    assert taken == len(about["arguments"]) > 10
    assert "bf16" in text and about["flops"] > 0
    assert about["order"]["network"]["precision"] == "mixed_bfloat16"
    assert len(file.read_bytes()) < 2**17


def test_numbers_that_are_drawn_anew_are_those_with_a_point():
    import numpy as np

    assert prepare._described(np.zeros([3, 2], np.float32))["fill"] == "zeros"
    assert prepare._described(np.ones([3, 2], np.float32))["fill"] == "normal"
    assert prepare._described(np.int64(5))["fill"] == 5
    with pytest.raises(ValueError, match="a constant of"):
        prepare._described(np.ones(2**20, np.int64))


def test_results_are_written_as_they_come_and_not_made_twice(tmp_path, monkeypatch):
    for i, name in enumerate(("b", "a")):
        about = {"case": name, "graph": "g", "order": {"batch": 4}}
        about |= {"arguments": [], "changed": []}
        (tmp_path / f"{i}.json").write_text(json.dumps({**about, "flops": 1e9}))
    raced = []

    def race_(title, order, names, turns, pythons):
        raced.append((title, names[-1]))
        if names[-1] == "pytorch_compiled":
            raise RuntimeError("no compiler")
        seconds = dict.fromkeys(names, [0.5] * turns)
        return race.Result(title, 4, 0, seconds, dict.fromkeys(names, 7.0))

    monkeypatch.setattr(race, "race", race_)
    out = tmp_path / "results.txt"
    monkeypatch.setattr(sys, "argv", ["race", str(tmp_path), f"--out={out}"])
    racing.main()
    racing.main()
    # All at once, and as one of them falls, each for itself.
    assert [title for title, _ in raced] == ["b"] * 4 + ["a"] * 4
    first = json.loads(out.read_text())[0]
    assert first["stablehlo"]["pictures_a_second"] == 8
    assert first["pytorch_compiled"] == {"fell": "no compiler"}
    assert "| b | 8 / " in racing.row(first) and "fell |" in racing.row(first)


@pytest.mark.slow
@pytest.mark.skipif(not importlib.util.find_spec("jax"), reason="needs jax")
@pytest.mark.parametrize("work", ["call", "train", "sample"])
@pytest.mark.parametrize("network", ["unet", "jit"])
def test_what_is_written_runs_in_jax(network, work, tmp_path):
    prepare.prepare(Tiny(network, work, 2, steps=3), "float32", tmp_path)
    (about,) = racing._cases(tmp_path, None)
    order = {**about["order"], "device": "cpu", "graph": about["graph"]}
    order |= {name: about[name] for name in ("arguments", "changed")}
    assert bool(about["changed"]) == (work == "train")
    python = {"stablehlo": sys.executable}
    found = race.race("tiny", order, ("stablehlo",), 2, python)
    assert min(found.turns["stablehlo"]) > 0
