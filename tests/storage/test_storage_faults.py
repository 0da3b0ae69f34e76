"""Writers under fault injection: every call that changes files fails, or is the last.

After each case our readers find the old or the new, nothing else; what was said to be
written is there; the error is one line; the same command goes on to the same end.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LIGHT = ("text", "arrays", "npz in blocks", "directory", "directory in two steps")


@pytest.fixture(scope="module")
def preloaded(tmp_path_factory):
    """The library that makes calls fail."""
    compiler = shutil.which("cc")
    if not compiler or not sys.platform.startswith("linux"):
        pytest.skip("needs a C compiler on Linux")
    library = tmp_path_factory.mktemp("faults") / "faults.so"
    source = str(HERE / "faults.c")
    command = [compiler, "-shared", "-fPIC", "-O0", "-o", str(library), source, "-ldl"]
    subprocess.run(command, check=True)
    return library


def inject(preloaded, folder, how_many, *writers):
    """One report for each writer; see fault_injection.py."""
    script = [sys.executable, "fault_injection.py", str(folder), str(how_many)]
    paths = os.pathsep.join([str(ROOT), str(HERE)])
    found = subprocess.run(
        [*script, *writers],
        cwd=HERE,
        env={**os.environ, "LD_PRELOAD": str(preloaded), "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in found.stdout.splitlines() if line[:1] == "{"]


def test_light_writers_lose_and_mix_nothing(preloaded, tmp_path):
    reports = inject(preloaded, tmp_path, 12, "in place", *LIGHT)
    naive, *ours = reports
    assert naive["wrong"].get("lost") or naive["wrong"].get(
        "mixed"
    )  # faults are found out
    assert len(ours) == len(LIGHT)
    for report in ours:
        assert report["cases"] == 12 and not report["wrong"], report


@pytest.mark.slow
def test_no_writer_loses_or_mixes_anything_at_any_call(preloaded, tmp_path):
    from writers import WRITERS

    names = [name for name in WRITERS if name != "in place"]
    reports = inject(preloaded, tmp_path, 0, *names)
    cases = sum(report["cases"] for report in reports)
    print(f"{len(reports)} writers, {cases} cases")
    assert [report["writer"] for report in reports] == names
    for report in reports:
        assert report["calls"] > 5 and not report["wrong"], report
