"""The scripts behind docs/: every one explains itself, and repeats its own page."""

import json
import shutil
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from experiments import (
    digits,
    few_steps_fastest,
    pages,
    rooms,
    samplers_page,
    scaling,
    systems,
)
from experiments.__main__ import main, scripts

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
SCRIPTS = scripts()
ELSEWHERE = {  # scripts that write something else than a page of their own
    "few_steps_fastest": "docs/few_steps.md",
    "few_steps_photos": "docs/images/few_steps_photos.png",
    "rooms": "docs/images/rooms.png",
    "make_pretrained": "pdm_tf/pretrained/mnist/card.md",
}
RECORDED = [
    "autoguidance",
    "post_hoc_ema",
    "guidance",
    "momentum",
    "predictions",
    "splitting",
    "splits",
    "scaling",
    "systems",
]


@pytest.fixture
def docs(tmp_path) -> Path:
    """A copy of the pages and records."""
    for file in (*DOCS.glob("*.md"), *DOCS.glob("*.json")):
        shutil.copy(file, tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_explains_itself_and_has_its_page(name, capsys):
    script = import_module(f"experiments.{name}")
    with pytest.raises(SystemExit) as done:
        script.main(["--help"])
    assert done.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())  # lines are folded
    assert f"python -m experiments.{name}" in shown
    if name in ELSEWHERE:
        assert (ROOT / ELSEWHERE[name]).is_file()
        return
    assert (DOCS / f"{name}.json").is_file()
    text = (DOCS / f"{name}.md").read_text()
    assert text.count(pages.marker(name)) == text.count(pages.END) == 1


def test_a_race_that_comes_after_its_page_is_on_the_page(docs, monkeypatch):
    assert SCRIPTS.index("few_steps") < SCRIPTS.index("few_steps_fastest")
    rows = pages.read_record(docs / "few_steps.json")
    race = next(row for row in rows if "race" in row)
    race["race"][0]["name"] = "the slowest of all"
    monkeypatch.setattr(few_steps_fastest, "take_turns", lambda base, out: None)
    monkeypatch.setattr(few_steps_fastest, "judge", lambda out: race)
    few_steps_fastest.main(["pretrained:mnist", "runs/few-steps", f"--docs={docs}"])
    assert "| the slowest of all |" in (docs / "few_steps.md").read_text()


def test_make_runs_the_scripts_that_are_named_and_nothing_else(monkeypatch):
    runs = []
    for name in SCRIPTS:
        script = import_module(f"experiments.{name}")
        monkeypatch.setattr(script, "main", lambda argv, n=name: runs.append((n, argv)))
    main(["guidance"])
    assert runs == [("guidance", ["pretrained:mnist"])]
    runs.clear()
    main([])
    assert [name for name, _ in runs] == SCRIPTS and SCRIPTS[-1] == "systems"
    assert "$(BIN)/python -m experiments" in (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("name", RECORDED)
def test_a_table_is_what_its_record_says(name, docs):
    """Written again from the record, the page stays as it is."""
    script = import_module(f"experiments.{name}")
    page = docs / f"{name}.md"
    before = page.read_text()
    rows = pages.read_record(docs / f"{name}.json")
    pages.write_page(page, name, script.text_of(rows))
    after = page.read_text()
    numbers = [
        [line.split("|")[1:] for line in text.splitlines() if line.startswith("|")]
        for text in (before, after)
    ]
    assert numbers[0] == numbers[1]


def test_samplers_are_written_again_from_their_record(docs):
    pytest.importorskip("matplotlib")
    rows = [
        samplers_page.Row(**row) for row in pages.read_record(docs / "samplers.json")
    ]
    before = (docs / "samplers.md").read_text()
    samplers_page.write(rows, docs)
    assert (docs / "samplers.md").read_text() == before
    assert (docs / "images" / "samplers_mnist.png").stat().st_size > 1000


def test_rows_of_turns_are_rates_and_ratios_within_a_round():
    seconds = np.array([[2.0, 1.0, 4.0, 2.0], [4.0, 2.0, 8.0, 4.0]])
    rows = scaling.rows_of(np.stack([seconds, seconds], axis=-1))
    sizes = [group.batch_size for group in scaling.GROUPS]
    rate = scaling.STEPS * np.array(sizes) / seconds
    for i, row in enumerate(rows):
        assert row["images_per_second"] == pytest.approx(np.median(rate[:, i]))
        assert row["ratio"] == pytest.approx((rate[:, i] / rate[:, 0])[0])


def test_training_digits_are_like_themselves():
    from pdm_tf.data.sources import open_source

    real = digits.TrainingDigits(200)
    pictures, labels = open_source("mnist", digits.SHAPE, 10).read(np.arange(200))
    found = real.compare(pictures, labels)
    assert found.distance == pytest.approx(0, abs=1e-6)
    assert found.recall == 1 and found.spread == pytest.approx(1)
    assert found.accuracy > 0.95


# --- pages and the table of systems ---------------------------------------------------


def test_only_what_stands_between_the_markers_is_replaced(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Title\n\nbefore\n\n")
    pages.write_page(page, "one", "first | table")
    page.write_text(page.read_text() + "\nafter\n")
    pages.write_page(page, "one", r"second \1 table")
    text = page.read_text()
    assert "first" not in text and r"second \1 table" in text
    assert text.startswith("# Title\n\nbefore\n") and text.endswith("\nafter\n")


def test_the_record_of_systems_is_complete():
    record = json.loads((DOCS / "systems.json").read_text())
    systems.check(record)
    assert all(system["bar"] and system["not_reproduced"] for system in record)
    assert len({system["paper"] for system in record}) == 42


@pytest.mark.parametrize("holds", [True, False, "undecided"])
def test_recording_a_system_changes_it_alone_and_the_page(docs, holds):
    paths = {"record": docs / "systems.json", "page": docs / "systems.md"}
    before = pages.read_record(paths["record"])
    systems.record_system(20, figure="FD 1.05 times", holds=holds, **paths)
    after = pages.read_record(paths["record"])
    changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    assert len(changed) == 1
    assert changed[0][1] == changed[0][0] | {"figure": "FD 1.05 times", "holds": holds}
    assert "FD 1.05 times" in paths["page"].read_text()


@pytest.mark.parametrize(
    "number, found",
    [
        (43, {"figure": "x", "holds": True}),
        (1, {"figures": "x"}),
        (1, {"figure": "x", "holds": None}),  # without a verdict
        (1, {"figure": "x", "holds": "maybe"}),
    ],
)
def test_a_record_that_makes_no_sense_is_not_written(docs, number, found):
    paths = {"record": docs / "systems.json", "page": docs / "systems.md"}
    before = paths["record"].read_bytes()
    with pytest.raises(ValueError, match="system"):
        systems.record_system(number, **paths, **found)
    assert paths["record"].read_bytes() == before


def test_the_picture_of_rooms_has_every_room_and_only_arrows_downwards():
    known = rooms.imports()
    places = rooms.placed(list(known))
    assert set(places) == set(known) - {"flags"}
    arrows = [(a, b) for a, below in rooms.reduced(known).items() for b in below]
    assert ("samplers", "denoisers") in arrows
    assert not [
        (a, b)
        for a, b in arrows
        if a in places and b in places and places[a][1] < places[b][1]
    ]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "name, words",
    [
        ("guidance", ["--count=10", "--steps=2", "--weights", "1.0", "1.5"]),
        ("editing", ["--many=4", "--few=2", "--steps=12"]),
        ("momentum", ["--count=2", "--solution=30"]),
    ],
)
def test_a_script_measures_and_writes_its_page(name, words, docs):
    script = import_module(f"experiments.{name}")
    before = pages.read_record(docs / f"{name}.json")
    script.main(["pretrained:mnist", *words, f"--docs={docs}"])
    rows = pages.read_record(docs / f"{name}.json")
    assert rows != before and rows[0].keys() == before[0].keys()
