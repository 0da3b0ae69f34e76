"""Damaged artefacts: the same as before, or one line; never another model silently.

A seeded matrix: every file of every artefact, with flipped bits, cut, with a hole,
empty, in another's place, or missing as after a partial copy.
"""

import random
import shutil
from collections import Counter
from dataclasses import asdict

import numpy as np
import pytest
from tiny_runs import make_run

from pdm_tf import assemble
from pdm_tf.assemble.exporting import export_run
from pdm_tf.config import InputError, PrepareConfig
from pdm_tf.data.preparation.prepare import prepare
from pdm_tf.data.sources import open_source
from pdm_tf.errors import explain
from pdm_tf.evaluation.locations import Location
from pdm_tf.evaluation.metrics.moments import FeatureGaussian
from pdm_tf.evaluation.statistics import Statistics, load_statistics, save_statistics
from pdm_tf.evaluation.stored_images import open_npz
from pdm_tf.serving import SavedModelGenerator, litert_network
from pdm_tf.storage.arrays import read_arrays, write_arrays
from pdm_tf.storage.digests import sealed
from pdm_tf.storage.files import checksum, write_json, write_npz
from pdm_tf.storage.images import write_png

TRIED = 130  # cases of each artefact


def flip(content, rng):
    at = rng.randrange(len(content))
    return (
        content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :]
    )


def cut(content, rng):
    return content[: rng.randrange(len(content))]


def hole(content, rng):
    at = rng.randrange(len(content))
    size = min(len(content) - at, rng.choice([1, 16, 512, 4096]))
    return content[:at] + bytes(size) + content[at + size :]


def empty(content, rng):
    return b""


DAMAGES = {"flip": flip, "cut": cut, "hole": hole, "empty": empty}


def damage(folder, kind, rng):
    """Damages one file of a folder; returns its name."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    path = rng.choice([path for path in files if path.stat().st_size])
    if kind == "missing":
        path.unlink()
    elif kind == "swapped":
        other = rng.choice(files)
        shutil.copyfile(other, path) if other != path else path.write_bytes(b"")
    else:
        path.write_bytes(DAMAGES[kind](path.read_bytes(), rng))
    return str(path.relative_to(folder))


def of_model(path):
    opened = assemble.open_model(path)
    return opened.digest, asdict(opened.settings.sampling)


def make_derived(folder):
    from pdm_tf.config.acceleration import DeepCacheConfig

    run = make_run(folder.parent / "base", 1, network={"channel_multipliers": (1, 1)})
    assemble.derive("deepcache", run, folder, DeepCacheConfig(), note=lambda line: None)


def make_split(folder):
    parts = [
        make_run(folder.parent / "low", 1, snr_low=0.25),
        make_run(folder.parent / "high", 2, snr_high=0.25),
    ]
    assemble.join_runs([str(part) for part in parts], folder)


def make_export(folder):
    run = make_run(folder.parent / "exported", 1)
    export_run(run, folder, ["ddim"])


def make_arrays(folder):
    folder.mkdir()
    values = {"w": np.random.default_rng(0).standard_normal((4, 40))}
    write_arrays(folder / "a.safetensors", values, {"said": "a"})


def of_arrays(folder):
    found = read_arrays(folder / "a.safetensors")
    return {name: array.tolist() for name, array in found.items()}


def make_litert(folder):
    folder.mkdir()
    (folder / "it.tflite").write_bytes(np.random.default_rng(0).bytes(4000))
    model = {"sampling": {"thresholding": "none"}, "image_shape": [8, 8, 1]}
    report = {"sha256": checksum(folder / "it.tflite"), "model": model}
    write_json(folder / "it.json", sealed(report))


def of_litert(folder):
    return litert_network.open_file("model", str(folder / "it.tflite"))[1]


def make_statistics(folder):
    folder.mkdir()
    rows = np.random.default_rng(0).standard_normal((50, 6))
    gaussian = FeatureGaussian(rows.mean(0), np.cov(rows.T))
    save_statistics(str(folder / "s.npz"), Statistics(gaussian, None, 50, "digits"))


def of_statistics(folder):
    found = load_statistics("reference", str(folder / "s.npz"))
    numbers = [values.tolist() for values in found.pooled]
    return numbers, found.count, found.features


def make_samples(folder):
    folder.mkdir()
    pictures = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 1), np.uint8)
    write_npz(folder / "samples.npz", {"arr_0": pictures, "labels": np.arange(20)})


def of_samples(folder):
    path = str(folder / "samples.npz")
    source = open_npz(Location("samples", path, "npz", path), 20, 20)
    return [(x.tolist(), labels.tolist()) for x, labels in source.labelled(7)]


def make_prepared(folder):
    rng, source = np.random.default_rng(0), folder.parent / "pictures"
    source.mkdir()
    for i in range(12):
        write_png(source / f"{i}.png", rng.integers(0, 256, (16, 16, 3), np.uint8))
    settings = {"image_size": 16, "shard_pictures": 4}
    prepare(PrepareConfig(source=str(source), out=str(folder), **settings))


def of_prepared(folder):
    """All pictures by their bytes, or an error that names those that are damaged."""
    source, own = (
        open_source(f"{kind}:{path}", (16, 16, 3))
        for kind, path in [("tfds", folder), ("folder", folder.parent / "pictures")]
    )
    found, there = (
        {picture.tobytes() for picture in data.read(np.arange(len(data)))[0]}
        for data in (source, own)
    )
    if source.skipped and found < there:
        raise InputError("; ".join(source.skipped))  # the rest goes on
    return found


ARTEFACTS = {
    "run": (lambda folder: make_run(folder, 1), of_model),
    "derived": (make_derived, of_model),
    "split": (make_split, of_model),
    "savedmodel": (
        make_export,
        lambda folder: SavedModelGenerator("model", str(folder)).description,
    ),
    "arrays": (make_arrays, of_arrays),
    "litert": (make_litert, of_litert),
    "statistics": (make_statistics, of_statistics),
    "samples": (make_samples, of_samples),
    "prepared": (make_prepared, of_prepared),
}


def outcome(read, folder, whole):
    """What a reader makes of a damaged artefact."""
    try:
        found = read(folder)
    except InputError as error:
        return "refused" if "\n" not in str(error) else "several lines"
    except Exception as error:
        return "refused" if explain(error) else f"traceback {error!r}"[:200]
    return "same" if found == whole else f"silent {found}"[:200]


def try_damages(name, tmp_path, tried, monkeypatch):
    """Counts what becomes of an artefact's damages; wrong ones by case."""
    monkeypatch.setattr(litert_network, "LitertNetwork", lambda *_, **__: None)
    make, read = ARTEFACTS[name]
    made, folder, rng = tmp_path / "made", tmp_path / "damaged", random.Random(name)
    make(made)
    whole, found, wrong = read(made), Counter(), []
    for case in range(tried):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(made, folder)
        kind = [*DAMAGES, "missing", "swapped"][case % 6]
        file = damage(folder, kind, rng)
        end = outcome(read, folder, whole)
        found[end.partition(" ")[0]] += 1
        if end not in ("same", "refused"):
            wrong.append(f"{kind} of {file}: {end}")
    return found, wrong


@pytest.mark.parametrize("name", ["arrays", "litert", "statistics", "samples"])
def test_light_artefacts_are_never_others_silently(name, tmp_path, monkeypatch):
    found, wrong = try_damages(name, tmp_path, 60, monkeypatch)
    assert not wrong and found["refused"] > 10


def test_no_bit_of_a_table_of_contents_hides_an_array(tmp_path):
    """One flipped bit is seen: in a name, or in a length that swallows what follows."""
    folder = tmp_path / "made"
    make_statistics(folder)
    file, whole = folder / "s.npz", of_statistics(folder)
    content = file.read_bytes()
    for at in range(content.index(b"PK\1\2"), len(content)):
        for bit in range(8):
            flipped = content[at] ^ 1 << bit
            file.write_bytes(content[:at] + bytes([flipped]) + content[at + 1 :])
            assert outcome(of_statistics, folder, whole) in ("refused", "same")


@pytest.mark.slow
@pytest.mark.parametrize("name", ARTEFACTS)
def test_artefacts_are_never_others_silently(name, tmp_path, monkeypatch):
    found, wrong = try_damages(name, tmp_path, TRIED, monkeypatch)
    print(name, dict(found))
    assert not wrong, wrong
