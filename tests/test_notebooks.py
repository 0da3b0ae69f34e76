"""Every notebook runs from its first cell to its last, in an empty folder."""

import json
from pathlib import Path

import pytest

FILES = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))


def code_of(path):
    """Sources of a notebook's cells of code, as a reader runs them."""
    cells = json.loads(path.read_text())["cells"]
    return ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]


def test_the_three_notebooks_are_there_and_keep_no_outputs():
    assert len(FILES) == 3
    for path in FILES:
        for number, cell in enumerate(json.loads(path.read_text())["cells"]):
            assert not cell.get("outputs") and not cell.get("execution_count")
            if cell["cell_type"] == "code":
                compile("".join(cell["source"]), f"{path.name}[{number}]", "exec")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_notebook_runs(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    for number, source in enumerate(code_of(path)):
        exec(compile(source, f"{path.name}[{number}]", "exec"), names)
