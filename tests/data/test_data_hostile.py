"""Bombs and endless things: bounded memory and time, one line with the reason."""

import subprocess
import sys
from pathlib import Path

import pytest
from hostile import MAKERS, READ, main

from pdm_tf.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 30  # seconds
# Made and read in milliseconds; the others in a process of their own, slowly.
QUICK = [
    "long thin.png",
    "claims 60000 x 60000.png",
    "claims 2^31.png",
    "eps.png",
    "tiff.png",
    "psd.png",
    "gif of 65535.png",
    "bmp of 2^31.bmp",
    "jpeg of 65500.jpg",
    "a pipe",
    "devices",
    "a link to itself",
    "a sparse picture",
    "sparse labels",
    "Deflate64",
    "zstd",
    "encrypted",
    "a cut zip",
    "names that leave",
    "names twice",
    "a sparse tar",
    "long attributes",
    "a member with holes",
    "a pipe as source",
    "a device as source",
    "MNIST cut",
    "an index of petabytes",
    "an index of objects",
]


def made(name, folder):
    reader, make = MAKERS[name]
    return reader, make(folder)


@pytest.mark.timeout(LONGEST)
@pytest.mark.parametrize("name", QUICK)
def test_a_sample_ends_in_one_line(name, tmp_path):
    from hostile import read

    reader, path = made(name, tmp_path)
    if name in READ:
        read(reader, path)
        return
    with pytest.raises(InputError) as caught:
        read(reader, path)
    said = str(caught.value)
    assert "\n" not in said and len(said) < 500 and said.isprintable()


@pytest.mark.slow
@pytest.mark.parametrize("name", MAKERS)
def test_every_kind_within_2_gb_and_30_s(name, tmp_path):
    try:
        reader, path = made(name, tmp_path)
        done = subprocess.run(
            [sys.executable, main.__code__.co_filename, reader, str(path)],
            capture_output=True,
            text=True,
            timeout=2 * LONGEST,
            cwd=Path(__file__).resolve().parents[2],
            env={
                "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
                "PATH": "/bin",
            },
        )
    finally:
        subprocess.run(["rm", "-rf", str(tmp_path)], check=True)
        tmp_path.mkdir()
    assert done.returncode == (0 if name in READ else 2), done.stderr[-1000:]
    *said, numbers = done.stdout.splitlines()
    assert len(said) == 1 and said[0].isprintable()
    peak, seconds = map(float, numbers.split())  # of the processor: others work too
    print(f"{name}: {peak:.0f} MB, {seconds:.1f} s: {said[0]}")
    assert peak < 2000 and seconds < LONGEST
    assert "Traceback" not in done.stderr
