"""Pages of the site that are no files of docs/: README, CONTRIBUTING, the API."""

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
OUTSIDE = {"README.md": "readme.md", "CONTRIBUTING.md": "contributing.md"}
_INWARD = re.compile(r"\]\((?!https?:)(?:docs/)?([\w/.-]*)(#[\w-]+)?\)")
_OUTWARD = re.compile(r"\]\(\.\./(README|CONTRIBUTING)\.md(#[\w-]+)?\)")
_ELSEWHERE = re.compile(r"(?<!!)\[([^\]]*)\]\((?:\.\./|(?=pdm_tf/|configs/))[^)]*\)")
_IMAGES = re.compile(r"!\[[^\]]*\]\((pdm_tf/[\w/.-]+)\)")


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages."""
    for name, page in OUTSIDE.items():
        text = (ROOT / name).read_text("utf-8")
        text = _ELSEWHERE.sub(r"\1", text)  # files that the site does not have
        for image in set(_IMAGES.findall(text)):
            there = str(ROOT / image)
            files.append(File.generated(config, image, abs_src_path=there))
        text = _INWARD.sub(_within, text)
        files.append(File.generated(config, page, content=text))
    files.append(File.generated(config, "reference.md", content=_reference()))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Leads links that leave docs/ to the pages above."""
    moved = _OUTWARD.sub(lambda m: f"]({m[1].lower()}.md{m[2] or ''})", markdown)
    return _ELSEWHERE.sub(r"\1", moved)


def _within(match: re.Match[str]) -> str:
    """A link of a file at the root, as a page beside the others has it."""
    name, anchor = match[1], match[2] or ""
    return f"]({OUTSIDE.get(name, name)}{anchor})"


def _reference() -> str:
    """The public names of `pdm_tf`, by the rooms that they come from."""
    package = (ROOT / "pdm_tf" / "__init__.py").read_text("utf-8")
    homes = dict(re.findall(r'^    "(\w+)": "([\w.]+)",$', package, re.MULTILINE))
    rooms = defaultdict(list)
    for name, home in sorted(homes.items()):
        if not name.startswith("__"):
            rooms[home.partition(".")[0]].append(f"::: {_defined(name, home)}\n")
    parts = [f"## {room}\n\n" + "\n".join(names) for room, names in rooms.items()]
    head = "# Reference\n\nThe names of `import pdm_tf as pdm`, by room.\n\n"
    return head + "\n".join(parts)


def _defined(name: str, home: str) -> str:
    """Where a name is written, followed through the files that pass it on."""
    while True:
        path = ROOT / "pdm_tf" / home.replace(".", "/")
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        text = file.read_text("utf-8")
        lazy = re.search(rf'^    "{name}": "([\w.]+)",$', text, re.MULTILINE)
        if lazy and path.is_dir():
            home = f"{home}.{lazy[1]}"
            continue
        blocks = re.findall(r"from pdm_tf\.([\w.]+) import (\([^)]*\)|[^\n]*)", text)
        given = [m for m, names in blocks if re.search(rf"\b{name}\b", names)]
        if not given or re.search(rf"^(class|def) {name}\b", text, re.MULTILINE):
            return f"pdm_tf.{home}.{name}"
        home = given[0]
