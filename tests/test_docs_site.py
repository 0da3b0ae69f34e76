"""The site of the documents: links that lead somewhere, and a build that is strict."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([\w-]+))?\)")
SITE_ONLY = {"reference.md"}  # made when the site is built
NEEDED = "mkdocs", "material", "mkdocstrings"
MISSING = [name for name in NEEDED if not importlib.util.find_spec(name)]


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
