"""The examples, and every block of docs/pipeline.md, run as a reader would run them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tiny_runs import make_run

import pdm_tf as pdm
from pdm_tf.assemble import export_run

ROOT = Path(__file__).resolve().parent.parent
BLOCKS = re.findall(
    r"^```python\n(.*?)^```", (ROOT / "docs" / "pipeline.md").read_text(), re.M | re.S
)
# As `python SCRIPT` in a plain checkout: pdm_tf is where the script finds it by itself,
# and never an installed one.
PLAIN = """
import os, runpy, sys
from importlib.machinery import PathFinder

class Uninstalled:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != "pdm_tf":
            return None
        places = [p for p in sys.path if "-packages" not in p]
        spec = PathFinder.find_spec(name, places)
        if spec is None:
            raise ModuleNotFoundError("No module named 'pdm_tf'", name="pdm_tf")
        return spec

sys.meta_path.insert(0, Uninstalled)
sys.argv = sys.argv[1:]
sys.path[0] = os.path.dirname(sys.argv[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""
WITHOUT = """
import runpy, sys
sys.modules["keras"] = sys.modules["pdm_tf"] = None  # any import of these now fails
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A directory with runs/mnist in it: a run of random weights, and its export."""
    home = tmp_path_factory.mktemp("home")
    run_dir = home / "runs" / "mnist"
    network = {"image_shape": (32, 32, 1), "patch_size": 4, "num_classes": 10}
    make_run(run_dir, 0, scale=0.1, network=network)
    export_run(run_dir)
    return home


def run(home: Path, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=home,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def picture(path: Path) -> np.ndarray:
    return tf.io.decode_png(path.read_bytes()).numpy()


def test_serving_needs_neither_keras_nor_us_and_pipelines_change_nothing(home):
    script = str(ROOT / "examples" / "serve_in_tf_data.py")
    flags = [
        "--savedmodel=runs/mnist/export",
        "--count=6",
        "--steps=3",
        "--out=row.png",
    ]
    said = run(home, "-c", WITHOUT, script, *flags)
    assert "pictures of [32, 32, 1], 10 classes" in said
    assert "labels [0, 1, 2, 3, 4, 5]" in said
    assert ", 0 grey levels from those" in said
    row = picture(home / "row.png")
    assert row.shape == (32, 6 * 32, 1)
    denoise = pdm.guided(pdm.restore(home / "runs" / "mnist"), tf.range(6), weight=1.5)
    x = pdm.sample(denoise, pdm.DDPM(), denoise.schedule.grid(3), range(6), (32, 32, 1))
    wanted = np.concatenate(np.clip((x + 1.0) * 127.5, 0, 255), axis=1)
    assert np.abs(row - wanted).max() < 1.0  # by its own rule of rounding


# A script without a run takes an oracle, whose samplers have tests of their own.
@pytest.mark.parametrize(
    "flags", [["--run_dir=runs/mnist"], pytest.param([], marks=pytest.mark.slow)]
)
def test_a_sampler_of_ones_own_samples_like_those_on_the_shelf(home, flags):
    script = str(ROOT / "examples" / "build_a_sampler.py")
    out = home / f"ways_{len(flags)}.png"
    asked = [*flags, "--count=3", "--steps=3", f"--out={out}"]
    said = run(home, "-c", PLAIN, script, *asked)
    (apart,) = re.findall(r"our own sampler is DDIM to (\S+)", said)
    assert float(apart) < 1e-4
    sheet = picture(out)
    assert sheet.shape == (4 * 32, 3 * 32, 1)
    first, second, own, _ = np.split(sheet, 4)
    assert np.abs(own.astype(int) - second).max() <= 1
    assert (own != first).any() or not flags


def test_every_block_of_the_page_runs(home, monkeypatch, capsys):
    monkeypatch.chdir(home)
    names: dict = {}
    for block in BLOCKS:
        exec(compile(block, "docs/pipeline.md", "exec"), names)
    assert "[32, 32, 1] 10 1000" in capsys.readouterr().out
    assert names["images"].shape == names["x"].shape == (6, 32, 32, 1)
    assert (home / "runs" / "split_export" / "saved_model.pb").is_file()


def test_the_page_names_all_there_is_to_choose_from():
    page = (ROOT / "docs" / "pipeline.md").read_text()
    from pdm_tf import samplers

    shelf = {type(make()).__name__ for make in samplers.SAMPLERS.values()}
    for name in shelf:
        assert f"`{name}`" in page
    for path in (ROOT / "examples").glob("*.py"):
        assert f"python examples/{path.name}" in page
