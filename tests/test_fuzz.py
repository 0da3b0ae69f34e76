"""Bad input, tried hard: an answer or one line of InputError, never anything else.

Each case is a function of its number. `FUZZ_CASES=N pytest tests/test_fuzz.py -m slow`
tries more.
"""

import dataclasses
import io
import json
import os
import shutil
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pdm_tf import flags
from pdm_tf.assemble import lineage, splits
from pdm_tf.assemble.models import settings_of
from pdm_tf.assemble.runs import read_settings
from pdm_tf.assemble.settings import check_settings
from pdm_tf.config import Config, InputError, SampleConfig
from pdm_tf.data.fitting import read_exactly
from pdm_tf.data.images import read_picture
from pdm_tf.data.sources import open_source
from pdm_tf.networks import shapes
from pdm_tf.serving import open_generator, write_samples
from pdm_tf.serving.client import assign_labels
from pdm_tf.storage.picture_npz import picture_shape, read_arrays, read_pictures
from pdm_tf.training.checkpoint_files import find_newest

ROOT = Path(__file__).resolve().parent.parent
QUICK = 240
SLOW = int(os.environ.get("FUZZ_CASES", "2400"))
LONGEST = 30.0  # seconds
FIELDS = [
    field.name
    for room in dataclasses.fields(Config)
    for field in dataclasses.fields(room.default)
]
VALUES = """
0 1 -1 2 3 7 16 0.5 1e-4 1e300 -1e300 nan inf -inf true false none mnist photos 1,2
1,,2 , 8,8,1 32,32,1 0,0,0 -4,4,1 1e3 999999999999999999999 0x10 ½ ☃ x eps v folder:
folder:/no tfds: ddim25 90,60,60 2,2 bfloat16 mixed_bfloat16 snr default
""".split()  # noqa: SIM905


# --- what is damaged and how ----------------------------------------------------------


def damaged(rng, data):
    """Bytes cut off, flipped, doubled, replaced or emptied."""
    data, kind = bytearray(data), rng.integers(0, 6)
    at = int(rng.integers(0, len(data))) if data else 0
    if kind == 0:
        return bytes(data[:at])
    if kind == 1 and data:
        for _ in range(int(rng.integers(1, 20))):
            data[rng.integers(0, len(data))] ^= 1 << int(rng.integers(0, 8))
        return bytes(data)
    if kind == 2:
        return bytes(data[:at]) + bytes(data[at // 2 :])
    if kind == 3:
        return rng.bytes(int(rng.integers(0, 300)))
    return b"" if kind == 4 else bytes(data)


def png_header(width, height, depth=8, color=2):
    """A PNG that says to be so large, and ends."""

    def chunk(kind, body):
        crc = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + crc

    size = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    body = chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(b"\0" * 50))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def picture(rng):
    """Bytes of a picture of any kind, or of what claims to be one."""
    kind = int(rng.integers(0, 12))
    if kind == 0:  # decompression bombs, beyond Pillow's limits
        return png_header(*[(60_000, 60_000), (10**9, 1), (0, 0)][rng.integers(0, 3)])
    shape = [(8, 8), (1, 1), (1, 3000), (33, 7), (200, 300)][rng.integers(0, 5)]
    grey = rng.integers(0, 256, shape).astype(np.uint8)
    color = np.stack([grey] * 3, axis=-1)
    made, form, more = Image.fromarray(color), "PNG", {}
    if kind == 1:
        made = Image.fromarray(grey.astype(np.uint16) * 256)
    elif kind == 2:
        made, form = made.convert("CMYK"), "JPEG"
    elif kind == 3:
        form, more = "GIF", {"save_all": True, "append_images": [made, made]}
    elif kind == 4:
        form, more = "WEBP", {"save_all": True, "append_images": [made, made]}
    elif kind == 5:
        modes = ["1", "L", "LA", "P", "RGBA", "I", "F"]
        mode = modes[rng.integers(0, len(modes))]
        made, form = made.convert(mode), "TIFF" if mode in ("I", "F") else "PNG"
    elif kind < 9:
        form = ["JPEG", "BMP", "PNG"][kind - 6]
    buffer = io.BytesIO()
    made.save(buffer, form, **more)
    return buffer.getvalue()


def sometimes_damaged(rng, data):
    return damaged(rng, data) if rng.random() < 0.6 else data


def suffix(rng):
    return [".png", ".jpg", ".jpeg", ".webp", ".bmp", ".PNG"][rng.integers(0, 6)]


def text(rng, characters=40):
    letters = "abc=-#\"'\\ \t,.;:/0123456789é☃\x00\x7f"
    return "".join(rng.choice(list(letters), int(rng.integers(0, characters))))


def flag(rng):
    value = VALUES[rng.integers(0, len(VALUES))] if rng.random() < 0.8 else text(rng)
    name = FIELDS[rng.integers(0, len(FIELDS))] if rng.random() < 0.9 else text(rng, 9)
    dashes = ["--", "--", "--", "-", "", "--no"][rng.integers(0, 6)]
    return f"{dashes}{name}={value}" if rng.random() < 0.9 else f"{dashes}{name}"


# --- cases ----------------------------------------------------------------------------


def check(config):
    check_settings(config)
    shapes.grid_shape(config.network)
    shapes.channels_of_levels(config.network)
    shapes.blocks_of_levels(config.network)


def command_line(rng, folder, models):
    count = int(rng.integers(1, 5))
    (config,) = flags.parse(["train.py", *(flag(rng) for _ in range(count))], Config)
    check(config)


def flagfile(rng, folder, models):
    path, kind = folder / "a.flags", rng.integers(0, 5)
    lines = "\n".join(flag(rng) for _ in range(int(rng.integers(0, 6))))
    if kind == 0:
        path.write_bytes(damaged(rng, lines.encode() + rng.bytes(20)))
    elif kind == 1:
        path.write_text(f"--flagfile={path}\n{lines}")
    elif kind == 2:
        path.mkdir()
    elif kind == 3:
        path.write_text(f"# a comment\n\n{lines}\n--flagfile={folder / 'none'}")
    else:
        path.write_text(lines)
    (config,) = flags.parse(["train.py", f"--flagfile={path}"], Config)
    check(config)


def one_picture(rng, folder, models):
    path = folder / f"a{suffix(rng)}"
    path.write_bytes(sometimes_damaged(rng, picture(rng)))
    channels = [1, 3][rng.integers(0, 2)]
    assert read_picture(path, (8, 8, channels)).shape == (8, 8, channels)


def folder_of_pictures(rng, folder, models):
    for i in range(int(rng.integers(0, 4))):
        below = folder / ["a", "b", "."][rng.integers(0, 3)]
        below.mkdir(exist_ok=True)
        path = below / f"{i}{suffix(rng)}"
        path.write_bytes(sometimes_damaged(rng, picture(rng)))
    classes = int(rng.integers(0, 3))
    source = open_source(f"folder:{folder}", (8, 8, 3), classes)
    x, labels = source.read(np.arange(len(source)))
    assert x.shape == (len(source), 8, 8, 3)
    assert np.all((labels >= 0) & (labels < max(classes, 1)))


def mask(rng, folder, models):
    path = folder / f"mask{suffix(rng)}"
    if rng.random() < 0.9:
        path.write_bytes(sometimes_damaged(rng, picture(rng)))
    assert read_exactly("mask", str(path), (8, 8, 1)).shape == (1, 8, 8, 1)


def npz(rng, folder, models):
    arrays = [
        rng.integers(0, 256, (3, 4, 4, 3)).astype(np.uint8),
        rng.normal(size=(3, 4, 4, 3)),
        np.array([{"a": 1}, None], dtype=object),  # pickled; never to be opened
        np.zeros((0, 4, 4, 3), np.uint8),
        np.zeros((3, 4), np.uint8),
        np.asfortranarray(np.zeros((2, 4, 4, 1), np.uint8)),
    ]
    name = ["arr_0", "arr_0", "arr_0", "x", "mu"][rng.integers(0, 5)]
    path, buffer = folder / "a.npz", io.BytesIO()
    np.savez(buffer, **{name: arrays[rng.integers(0, len(arrays))]})
    path.write_bytes(sometimes_damaged(rng, buffer.getvalue()))
    read_arrays("samples", str(path), {"mu", "sigma"})
    count = picture_shape("samples", str(path))[0]
    seen = sum(map(len, read_pictures("samples", str(path), count, 2)))
    assert seen == count


def labels(rng, folder, models):
    given = f"--labels={VALUES[rng.integers(0, len(VALUES))]}"
    (config,) = flags.parse(["sample.py", given, "--num_images=5"], SampleConfig)
    classes = int(rng.integers(0, 4))
    found = assign_labels(config, classes)
    assert found.shape == (5,)
    assert np.all((found >= 0) & (found <= classes))


def saved_model(rng, folder, models):
    path = folder / "model"
    shutil.copytree(models, path)
    files = sorted(p for p in path.rglob("*") if p.is_file())
    victim = files[rng.integers(0, len(files))]
    if rng.random() < 0.2:
        victim.unlink()
    else:
        victim.write_bytes(damaged(rng, victim.read_bytes()))
    config = SampleConfig(model=str(path), out_dir=str(folder / "out"))
    write_samples(open_generator("model", path), config)


SPLIT = {
    "format": 1,
    "kind": "split",
    "parts": [{"run_dir": "a", "sha256": "", "snr_low": 0, "snr_high": None}],
}
DERIVED = {
    "format": 1,
    "kind": "cached",
    "method": "deepcache",
    "base": {"path": "../base", "sha256": "0"},
    "settings": {"every": 3},
    "sampling": {"sample_guidance": 1.0},
    "weights": None,
    "sha256": None,
}


def run_directory(rng, folder, models):
    checkpoints = folder / "checkpoints"
    checkpoints.mkdir()
    manifest = {"format": int(rng.integers(0, 4)), "step": 3, "variables": []}
    record = flags.to_flagfile(Config()).encode()
    pieces = {
        "config.flags": record,
        "split.json": json.dumps(SPLIT).encode(),
        "model.json": json.dumps(SPLIT if rng.random() < 0.5 else DERIVED).encode(),
        "checkpoints/manifest.json": json.dumps(manifest).encode(),
        "checkpoints/ckpt-3.json": json.dumps(manifest | {"files": {"x": 1}}).encode(),
        "checkpoints/ckpt-3.index": rng.bytes(50),
        "checkpoints/ckpt-3.data-00000-of-00001": rng.bytes(50),
        "checkpoints/checkpoint": b'model_checkpoint_path: "ckpt-3"\n',
    }
    for name, data in pieces.items():
        if rng.random() < 0.7:
            (folder / name).write_bytes(sometimes_damaged(rng, data))
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    for read in (
        lambda: find_newest(checkpoints),
        lambda: check(read_settings(folder)),
        lambda: splits.is_split(folder) and splits.read(folder),
        lambda: lineage.is_derived(folder) and settings_of(folder),
    ):
        try:
            read()
        except InputError as error:
            said(error)
    assert before == {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


CASES = [
    command_line,
    flagfile,
    one_picture,
    folder_of_pictures,
    mask,
    npz,
    labels,
    saved_model,
    run_directory,
]


def said(error):
    """An error's text is one that a person can act on."""
    line = " ".join(str(error).split())
    assert len(line) > 15, line


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A SavedModel, but not one of ours."""
    path = tmp_path_factory.mktemp("models") / "other"
    module = tf.Module()
    module.v = tf.Variable([1.0, 2.0])
    spec = tf.TensorSpec([2], tf.float32)
    module.f = tf.function(lambda x: x + module.v, input_signature=[spec])
    tf.saved_model.save(module, str(path), signatures={"sample": module.f})
    return path


def attempt(number, tmp_path, models):
    """Runs a case; whatever it raises but InputError fails, with its number."""
    rng = np.random.default_rng(number)
    case = CASES[number % len(CASES)]
    folder = Path(tmp_path) / str(number)
    folder.mkdir()
    began = time.monotonic()
    try:
        case(rng, folder, models)
    except InputError as error:
        said(error)
    except SystemExit as end:  # --help among the flags
        assert end.code == 0
    except Exception as error:
        return f"case {number}, {case.__name__}: {error!r}"
    finally:
        shutil.rmtree(folder)
    spent = time.monotonic() - began
    return f"case {number}: {spent:.0f} s" if spent > LONGEST else None


def wrong(numbers, tmp_path, models):
    found = (attempt(number, tmp_path, models) for number in numbers)
    return [line for line in found if line]


def test_a_few_hundred_cases(tmp_path, models):
    assert wrong(range(QUICK), tmp_path, models) == []


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_thousands_of_cases(tmp_path, models):
    assert wrong(range(QUICK, QUICK + SLOW), tmp_path, models) == []


COMMANDS = {
    "train.py": ("--run_dir={0}/run", "--width=8", "--iterations=1", "--noexport"),
    "sample.py": ("--savedmodel={0}/run", "--out_dir={0}/out", "--num_images=1"),
    "-m pdm_tf.doctor": ("--flagfile={0}/run/config.flags",),
    "-m pdm_tf.evaluation": ("--samples={0}/run/a.npz", "--reference=mnist"),
    "-m pdm_tf.editing inpaint": ("--run_dir={0}/run", "--image={0}/run/a.png"),
    "-m pdm_tf.denoisers": ("--parts={0}/run", "--out={0}/out"),
}


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("command", COMMANDS)
def test_commands_end_with_code_2_and_a_remedy(tmp_path, command):
    rng, run_dir = np.random.default_rng(0), tmp_path / "run"
    (run_dir / "checkpoints").mkdir(parents=True)
    manifest = json.dumps({"format": 1, "step": 3, "variables": []})
    (run_dir / "checkpoints" / "manifest.json").write_text(manifest)
    (run_dir / "config.flags").write_bytes(rng.bytes(100))
    for name in ("ckpt-3.index", "ckpt-3.data-00000-of-00001"):
        (run_dir / "checkpoints" / name).write_bytes(rng.bytes(100))
    (run_dir / "saved_model.pb").write_bytes(rng.bytes(100))
    for name in ("a.npz", "a.png"):
        (run_dir / name).write_bytes(rng.bytes(100))
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    words = [part.format(tmp_path) for part in COMMANDS[command]]
    done = subprocess.run(
        [sys.executable, *command.split(), *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 2, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    for path, content in before.items():
        assert path.read_bytes() == content
