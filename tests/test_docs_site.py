"""The site of the documents: links that lead somewhere, a build that is strict, and the
commands of its first page, run at small scale."""

import importlib.util
import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_documented_commands import commands_of

from pdm_tf import commands

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([\w-]+))?\)")
SITE_ONLY = {"reference.md"}  # made when the site is built
NEEDED = "mkdocs", "material", "mkdocstrings"
MISSING = [name for name in NEEDED if not importlib.util.find_spec(name)]
# What makes a command small: behind the first word that fits are flags that it gets.
SMALLER = {
    "train": "--iterations=2 --batch_size=2 --sample_every=0 --noexport",
    "sample": "--steps=2 --num_images=2",
    "editing": "--steps=2 --count=2",
    "acceleration": "--report_images=0",
    "evaluation metrics": "--num_images=4 --steps=2 --batch_size=4",
    "evaluation compare": "--num_images=4 --steps=2",
    "doctor": "--minutes=0.01",
}


def slugs(text):
    """Anchors of a page's headings, as Markdown's table of contents makes them."""
    heads = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", text, flags=re.S), re.M)
    plain = (re.sub(r"[^\w\s-]", "", head).strip().lower() for head in heads)
    return {re.sub(r"[-\s]+", "-", head) for head in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_a_heading(page):
    for target, anchor in LINK.findall(page.read_text()):
        found = page if not target else (page.parent / target)
        assert found.exists(), target
        if anchor:
            assert anchor in slugs(found.read_text()), f"{target}#{anchor}"


def test_every_page_is_in_the_menu_of_the_site_or_another_leads_to_it():
    menu = (ROOT / "mkdocs.yml").read_text()
    linked = {t for page in PAGES for t, _ in LINK.findall(page.read_text())}
    for page in DOCS.glob("*.md"):
        assert page.name in menu or page.name in linked, page.name
    named = set(re.findall(r"[\w/]+\.md", menu)) - SITE_ONLY
    there = {page.name for page in DOCS.glob("*.md")}
    assert named - {"readme.md", "contributing.md"} <= there


@pytest.mark.slow
@pytest.mark.skipif(bool(MISSING), reason=f"the extra docs is missing: {MISSING}")
def test_the_site_builds_strictly_with_every_public_name(tmp_path):
    import pdm_tf

    words = ["-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path]
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    reference = (tmp_path / "reference" / "index.html").read_text()
    for name in set(pdm_tf.__all__) - {"__version__"}:
        assert re.search(rf'id="pdm_tf\.[\w.]*{name}"', reference), name
    pages = list(tmp_path.rglob("index.html"))
    assert len(pages) > 30 and (tmp_path / "getting_started" / "index.html") in pages


def shortened(words):
    """A command of the page, and the flags that make it small."""
    if words[0] == "python" and words[1] == "-m":
        words = [words[2].removeprefix("pdm_tf."), *words[3:]]
    elif words[0] == "python":
        words = [words[1].removesuffix(".py"), *words[2:]]
    else:
        words = words[1:]
    line = " ".join(words)
    fitting = [flags for start, flags in SMALLER.items() if line.startswith(start)]
    return [*words, *" ".join(fitting[:1]).split()]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder to run commands in, with pictures and the files that they name."""
    rng = np.random.default_rng(0)
    (tmp_path / "PATH").mkdir()
    for number in range(16):
        picture = rng.integers(0, 256, (16, 16, 3), np.uint8)
        Image.fromarray(picture).save(tmp_path / "PATH" / f"{number}.png")
    for name in ("configs", "examples"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_commands_of_getting_started_run(home, monkeypatch):
    lines = commands_of((DOCS / "getting_started.md").read_text())
    ran = 0
    for line in lines:
        words = shlex.split(line)
        if words[0] in ("pip", "make") or "web" in words or "--help" in words:
            continue  # read by tests/test_documented_commands.py, tried in a browser
        if "=" not in line:
            continue  # the name of a command, in a sentence
        words = shortened(words)
        if words[0].startswith("examples/"):
            monkeypatch.setattr(sys, "argv", [f"{words[0]}.py", *words[1:]])
            runpy.run_path(f"{words[0]}.py", run_name="__main__")
        else:
            assert not commands.main(["pdm-tf", *words]), line
        ran += 1
    assert ran >= 12
