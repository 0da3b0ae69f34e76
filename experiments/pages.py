"""Pages of docs/: what a script writes stands between two markers, text around them."""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pdm_tf.storage.files import write_text

DOCS = Path(__file__).resolve().parents[1] / "docs"
IMAGES = DOCS / "images"
END = "<!-- end of what is written by the script -->"


def marker(name: str) -> str:
    """The line before what experiments/NAME.py writes."""
    return f"<!-- what follows is written by python -m experiments.{name} -->"


def write_page(page: Path, name: str, text: str) -> None:
    """Writes what a script made into its page, whole or not at all.

    Args:
      page: the page; where there is none, or it has no markers, they are added.
      name: of the script.
      text: Markdown, which goes between the markers.
    """
    before = page.read_text() if page.is_file() else f"# {name.capitalize()}\n"
    block = f"{marker(name)}\n\n{text.strip()}\n\n{END}"
    pattern = re.compile(f"{re.escape(marker(name))}.*?{re.escape(END)}", re.DOTALL)
    if pattern.search(before):
        written = pattern.sub(lambda _: block, before, count=1)
    else:
        written = f"{before.rstrip()}\n\n{block}\n"
    write_text(page, written)


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table in Markdown; a bar within a cell is escaped."""
    lines = [header, ["---"] * len(header), *rows]
    cells = [[str(cell).replace("|", r"\|") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def read_record(path: Path) -> list[dict[str, Any]]:
    """The rows on record in a JSON file; none where there is no such file."""
    return json.loads(path.read_text()) if path.is_file() else []


def write_record(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Writes rows as JSON, whole or not at all."""
    text = json.dumps(list(rows), indent=1, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")
