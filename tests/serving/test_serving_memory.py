"""Memory that an export takes when it is loaded, again and again."""

import subprocess
import sys
from pathlib import Path

import pytest
from tiny_runs import make_run

from pdm_tf.assemble.exporting import export_run

ROOT = Path(__file__).resolve().parents[2]
LOADS = """
import gc, sys
from pathlib import Path
import numpy as np
from pdm_tf.serving import SavedModelGenerator

def resident():
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

def load():
    generator = SavedModelGenerator("model", sys.argv[1])
    generator.generate(np.arange(1), np.zeros(1, np.int32), 1, 1.0, "ddim")
    return generator

kept = [load()]
first = resident()
kept.append(load())
second = resident()
for _ in range(4):
    load()
print(second - first, resident() - second)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc")
def test_a_load_keeps_at_most_twenty_times_its_file_and_leaves_twelve(tmp_path):
    run = make_run(tmp_path / "run", 1, network={"width": 96})
    export_run(run, tmp_path / "export", ["ddim"])
    files = [file for file in (tmp_path / "export").rglob("*") if file.is_file()]
    size = sum(file.stat().st_size for file in files)
    command = [sys.executable, "-c", LOADS, str(tmp_path / "export")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    second, left = map(int, done.stdout.split())
    print(f"{size / 2**20:.1f} MiB: {second / 2**20:.1f} kept, {left / 2**20:.1f} left")
    assert second < 20 * size  # once it was 57 times, of each load, for ever
    assert left < 4 * 12 * size
