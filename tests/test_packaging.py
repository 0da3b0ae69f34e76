"""The wheel: built, installed elsewhere and used, without a file of the checkout."""

import ast
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import pdm_tf
from pdm_tf.commands import commands

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "pdm_tf"
BUILT_FROM = ("pdm_tf", "pyproject.toml", "README.md", "LICENSE", "requirements.txt")
# A command, and a record of every file of the checkout that Python opened for it.
PROBE = """
import sys
root, prefix, *words = sys.argv[1:]
touched = []
def note(event, args):
    name = args[0] if event == "open" else None
    if isinstance(name, str) and name.startswith(root) and not name.startswith(prefix):
        touched.append(name)
sys.addaudithook(note)
from pdm_tf.commands import main
try:
    code = main(["pdm-tf", *words])
except SystemExit as end:
    code = end.code
print("code", code or 0, "touched", touched)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    if int(importlib.metadata.version("setuptools").partition(".")[0]) < 77:
        pytest.skip("needs setuptools 77; pip install '.[dev]'")
    source, made = (tmp_path_factory.mktemp(name) for name in ("source", "made"))
    for name in BUILT_FROM:
        if (ROOT / name).is_dir():
            shutil.copytree(
                ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            shutil.copy(ROOT / name, source / name)
    (source / "configs").mkdir()  # beside the package, and not to become one
    pip("wheel", source, "--no-deps", "--no-build-isolation", "--wheel-dir", made)
    (file,) = made.glob("*.whl")
    return file


def pip(*words):
    command = [sys.executable, "-m", "pip", *map(str, words), "--quiet"]
    subprocess.run(command, check=True, capture_output=True, text=True)


@pytest.fixture(scope="module")
def site(wheel, tmp_path_factory):
    target = tmp_path_factory.mktemp("site")
    pip("install", wheel, "--no-deps", "--no-compile", "--target", target)
    return target


def run(site, cwd, *command):
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_version_stands_in_one_place():
    def says(path):
        nodes = ast.walk(ast.parse(path.read_text()))
        return any(getattr(n, "value", None) == pdm_tf.__version__ for n in nodes)

    assert [path.name for path in PACKAGE.rglob("*.py") if says(path)] == ["version.py"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {"version", "dependencies"} <= set(project["dynamic"])


def test_a_checkpoint_says_which_version_wrote_it():
    from pdm_tf.training import manifest

    written = json.loads(manifest.to_text(manifest.compose(0, {}, {}, {})))
    assert written["pdm_tf"] == pdm_tf.__version__


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    ours = {
        path.relative_to(ROOT).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in names if ".dist-info/" not in name} == ours


@pytest.mark.slow
def test_the_metadata_are_those_of_the_project(site):
    (info,) = site.glob("*.dist-info")
    found = importlib.metadata.PathDistribution(info)
    assert found.version == pdm_tf.__version__
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    names = {line.split(">")[0] for line in lines if not line.startswith("#")}
    needed = [need for need in found.requires if "extra ==" not in need]
    assert {re.split("[<>=]", need)[0] for need in needed} == names
    extras = set(found.metadata.get_all("Provides-Extra"))
    assert {"litert", "photos", "figures", "docs", "dev"} <= extras
    assert (info / "top_level.txt").read_text().split() == ["pdm_tf"]


@pytest.mark.slow
def test_the_installed_command_is_listed(site, tmp_path):
    said = run(site, tmp_path, sys.executable, site / "bin" / "pdm-tf")
    assert set(re.findall(r"^  (\w+)  ", said, re.MULTILINE)) == set(commands())


@pytest.mark.slow
@pytest.mark.parametrize("model", ["export", "pretrained:mnist"])
def test_the_installed_command_samples(site, tmp_path, model):
    if model == "export":
        with tarfile.open(ROOT / "tests/data/version_0_1/models.tar.xz") as archive:
            archive.extractall(tmp_path, filter="data")
    words = ["sample", f"--model={model}", "--num_images=4", "--steps=5"]
    words = [f"{ROOT}/", sys.prefix, *words, "--sampler=ddim"]
    said = run(site, tmp_path, sys.executable, "-c", PROBE, *words)
    assert said.splitlines()[-1] == "code 0 touched []"
    assert len(list((tmp_path / "samples").glob("0*.png"))) == 4
    manifest = json.loads((tmp_path / "samples" / "manifest.json").read_text())
    assert model == "export" or manifest["model"]["pdm_tf"] == pdm_tf.__version__


@pytest.mark.slow
def test_the_installed_library_reads_its_digits(site, tmp_path):
    probe = (
        "import pdm_tf.data.sources as s; from pdm_tf.evaluation.features import digits"
        "; print(len(s.open_source('mnist', (32, 32, 1))), s.__file__)"
    )
    count, file = run(site, tmp_path, sys.executable, "-c", probe).split()
    assert count == "4000" and file.startswith(str(site))
