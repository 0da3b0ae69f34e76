"""Copies of training pictures are found, and pictures of their own are not."""

import json

import numpy as np
import pytest
from PIL import Image

from pdm_tf.config import InputError, MemorisationConfig
from pdm_tf.evaluation.memorisation import format_memorisation, search
from pdm_tf.evaluation.metrics.memorisation import memorised_share, nearest

RNG = np.random.default_rng(0)


def test_neighbours_are_those_of_every_distance():
    points, others = RNG.normal(size=(30, 5)), RNG.normal(size=(40, 5))
    found = nearest(points, others)
    distances = np.linalg.norm(points[:, None] - others, axis=2)
    np.testing.assert_array_equal(found.number, distances.argmin(1))
    two = np.sort(distances, axis=1)[:, :2]
    np.testing.assert_allclose(found.distance, two[:, 0], rtol=1e-9)
    np.testing.assert_allclose(found.ratio, two[:, 0] / two[:, 1], rtol=1e-9)


def test_copies_count_and_no_others():
    others = 1e4 + RNG.normal(size=(50, 64))  # far from 0, where squares are large
    points = np.concatenate([others[:10] + 1e-3, 1e4 + RNG.normal(size=(30, 64))])
    found = nearest(points, others)
    assert memorised_share(found) == 10 / 40
    np.testing.assert_array_equal(found.number[:10], range(10))
    twice = nearest(others[:3], np.concatenate([others, others]))
    assert (twice.ratio == 1).all()  # 0 / 0: the set has it twice


def test_a_report_and_a_sheet_name_the_copies(tmp_path):
    reference = RNG.integers(0, 256, (20, 16, 16, 3)).astype(np.uint8)
    samples = RNG.integers(0, 256, (8, 16, 16, 3)).astype(np.uint8)
    samples[3], samples[5] = reference[11], reference[2]
    for name, pictures in (("samples", samples), ("reference", reference)):
        np.savez(tmp_path / f"{name}.npz", arr_0=pictures)
    config = MemorisationConfig(
        samples=str(tmp_path / "samples.npz"),
        reference=str(tmp_path / "reference.npz"),
        features="pixels",
        out=str(tmp_path / "found.json"),
    )
    made = search(config)
    assert made["memorised"] == 2 / 8
    pairs = {(row["sample"], row["reference"]) for row in made["nearest"][:2]}
    assert pairs == {(3, 11), (5, 2)}
    assert json.loads((tmp_path / "found.json").read_text())["memorised"] == 0.25
    with Image.open(tmp_path / "found.png") as sheet:
        first = np.asarray(sheet)[2:18, 2:18], np.asarray(sheet)[2:18, 20:36]
    np.testing.assert_array_equal(*first)
    assert "25.0% of 8 samples" in format_memorisation(made)


def test_what_is_missing_is_named():
    with pytest.raises(InputError, match="reference is missing"):
        search(MemorisationConfig(samples="mnist"))
