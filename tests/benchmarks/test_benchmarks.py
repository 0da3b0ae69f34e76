"""Cases are plain data of our flagfiles; ratios are taken turn by turn."""

import json
import sys

import pytest

from benchmarks import memory, race, report
from benchmarks.cases import CASES, LITERT, ROOT


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_is_plain_data_of_a_flagfile(case):
    order = json.loads(json.dumps(case.order()))
    assert order["batch"] == case.batch and order["network"]["precision"] == "float32"
    for name in case.candidates:
        assert (ROOT / "benchmarks" / "candidates" / f"{name}.py").is_file()


def test_names_are_unique():
    assert len({case.name for case in CASES}) == len(CASES)


def results():
    turns = {
        "matmul": [1.0, 10.0, 2.0],
        "ours": [2.0, 12.0, 4.0],
        "pytorch": [3, 24, 4],
    }
    peak = dict.fromkeys(turns, 100.0)
    return race.Result("call:mnist:1", 1, 1e9, turns, peak)


def test_ratios_are_of_neighbours_and_not_of_medians():
    result = results()
    assert result.over("ours", "matmul") == 2.0  # of 2, 1.2 and 2
    assert result.over("pytorch", "ours") == 1.5  # medians would say 1.0
    assert result.seconds("ours") == 4.0


def test_what_is_saved_is_loaded_and_drawn(tmp_path):
    report.save([results()], tmp_path)
    assert report.load(tmp_path) == [results()]
    row = (tmp_path / "table.md").read_text().splitlines()[2]
    assert row == "| call:mnist:1 | 1 | 4000.0 | 2.00 | 2.40 | 1.50× | 100 |"
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")


def test_a_page_gets_who_is_first_and_keeps_the_rest(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"above\n{report.BEGIN}\nold\n{report.END}\nbelow\n")
    report.write_page([results()], page)
    text = page.read_text()
    assert "| call:mnist:1 | ours | 4000.0 | pytorch | 4000.0 | 0.67 |" in text
    assert text.startswith("above\n") and text.endswith("\nbelow\n")
    assert "old" not in text


@pytest.mark.slow
def test_a_race_is_run():
    (case,) = [case for case in CASES if case.name == "call:mnist:1"]
    pythons = {"matmul": sys.executable, "ours": sys.executable}
    result = race.run(case, 1e9, 2, pythons)
    assert {name: len(turns) for name, turns in result.turns.items()} == {
        "matmul": 2,
        "ours": 2,
    }
    assert min(min(turns) for turns in result.turns.values()) > 0
    assert result.peak_mib["ours"] > 100


@pytest.mark.slow
@pytest.mark.parametrize("work", ["sample", "export", "load", "read"])
def test_other_work_is_done_as_often_as_asked(work):
    case = next(case for case in CASES if case.work == work)
    order = {**case.order(), "steps": 2}
    names = [name for name in case.candidates if name != "diffusers_unet"]
    result = race.run(case, 0, 2, dict.fromkeys(names, sys.executable), order)
    assert result.turns.keys() == set(names)
    assert all(len(turns) == 2 and min(turns) > 0 for turns in result.turns.values())


@pytest.mark.slow
def test_files_for_litert_are_raced_and_integers_are_faster():
    (case,) = [case for case in CASES if case.name == "call:photos:1"]
    result = race.run(case, 0, 7, dict.fromkeys(LITERT, sys.executable))
    assert result.over("litert_float32", "litert_int8") > 1.2


def test_without_a_limit_the_table_says_so_and_the_picture_leaves_it_out(tmp_path):
    bare = race.Result("load:mnist:1", 1, 0, {"ours": [2.0]}, {"ours": 100.0})
    report.save([results(), bare], tmp_path)
    row = (tmp_path / "table.md").read_text().splitlines()[3]
    assert row == "| load:mnist:1 | – | 2000.0 | – | – | – | 100 |"


def test_memory_is_said_as_estimated_and_as_measured():
    cells = {"256:1:sample": (2048, 1024), "1024:1:train": (4096, 0)}
    row = memory.table(cells).splitlines()[2]
    assert row == "| 1 | 2.00 / 1.00 | 0.00 / – | 0.00 / – | 4.00 / – |"


@pytest.mark.slow
def test_a_cell_is_estimated_alone_where_it_does_not_fit():
    estimate, measured = memory.look(256, 8, "sample", limit=0)
    assert estimate > 600 and measured == 0  # its weights alone are 620 MiB


def test_a_candidate_that_falls_says_why():
    (case,) = [case for case in CASES if case.name == "call:mnist:1"]
    here, order = {"pytorch": sys.executable}, {**case.order(), "network": {}}
    with pytest.raises(RuntimeError, match="pytorch ended"):
        race.race("fallen", order, ["pytorch"], 1, here)
