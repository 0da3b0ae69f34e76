"""Memory that an export takes when it is loaded, again and again."""

import subprocess
import sys
from pathlib import Path

import pytest
from tiny_runs import make_run

from pdm_tf.assemble.exporting import export_run

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="no /proc"
)
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
PLAIN = """
import ctypes, gc, sys
from pathlib import Path
import tensorflow as tf

def held():
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what the allocator keeps is not the model's
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

def load():
    signature = tf.saved_model.load(sys.argv[1]).signatures["denoise"]
    z = tf.zeros([1, *signature.structured_input_signature[1]["z"].shape[1:]])
    return z, lambda z: signature(z=z, t=tf.constant([5]), labels=tf.constant([0]))["x"]

def call():
    z, denoise = load()
    denoise(z)

for _ in range(2):
    call()
first = held()
for _ in range(6):
    call()
    gc.collect()
print(held() - first)
z, denoise = load()
with tf.GradientTape() as tape:
    tape.watch(z)
    x = denoise(z)
assert tape.gradient(x, z) is not None
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> tuple[Path, int]:
    """An export, and the bytes of its files."""
    place = tmp_path_factory.mktemp("memory")
    run = make_run(place / "run", 1, network={"width": 96})
    export_run(run, place / "export", ["ddim"])
    files = [file for file in (place / "export").rglob("*") if file.is_file()]
    return place / "export", sum(file.stat().st_size for file in files)


def numbers(program: str, directory: Path) -> list[int]:
    """What a program in a process of its own prints of an export."""
    command = [sys.executable, "-c", program, str(directory)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [int(word) for word in done.stdout.split()]


@pytest.mark.slow
@needs_proc
def test_a_second_load_keeps_less_than_its_file(exported):
    directory, size = exported
    second, left = numbers(LOADS, directory)
    print(f"{size / 2**20:.1f} MiB: {second / 2**20:.1f} kept, {left / 2**20:.1f} left")
    assert second < 1.2 * size  # once it was 57 times, of each load, for ever
    assert left < 1.2 * size


@pytest.mark.slow
@needs_proc
def test_tensorflow_s_own_loader_gives_back_what_it_took(exported):
    directory, size = exported
    (left,) = numbers(PLAIN, directory)
    print(f"{size / 2**20:.1f} MiB: {left / 2**20:.1f} left of six loads")
    assert left < 6 * 1.2 * size  # once it was 60 times, of each load
