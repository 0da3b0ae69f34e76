"""Two models beside each other: identities, and a model altered in a known way."""

import json
import sys

import numpy as np
import pytest

from pdm_tf.config import CompareConfig, InputError
from pdm_tf.evaluation import metrics
from pdm_tf.evaluation.comparison import (
    Request,
    compare,
    compare_models,
    format_comparison,
)
from pdm_tf.evaluation.features import open_features
from pdm_tf.serving import open_generator

SHAPE = (16, 16, 1)
MANY = 300  # more than the features of random convolutions


class Fake:
    """Pictures of noise by seed, plus `offset` grey levels; evaluations by steps."""

    image_shape, num_classes, samplers, guidance = SHAPE, 10, ("ddim",), 1.5

    def __init__(self, offset: int, record: str = "") -> None:
        self.offset, self.asked = offset, []
        self.description = {"parameters": 7, "record": record}

    def check(self, sampler, steps):
        pass

    def evaluations(self, sampler, steps):
        return int(steps)

    def generate(self, seeds, labels, steps, guidance, sampler):
        self.asked.append((tuple(seeds), tuple(labels), steps, guidance, sampler))
        made = [np.random.default_rng(s).integers(0, 200, SHAPE) for s in seeds]
        return (np.stack(made) + self.offset).astype(np.uint8)


def request(model: Fake, steps: str = "4") -> Request:
    return Request(model, "ddim", steps, 1.5)


def test_a_model_beside_itself_is_the_same():
    extract = open_features("random")
    made = compare_models(
        request(Fake(0)), request(Fake(0)), extract, None, range(MANY), 50
    )
    assert made["sqnr"] == made["psnr"] == np.inf
    assert made["ssim"] == pytest.approx(1)
    assert made["frechet"] == pytest.approx(0, abs=1e-6)
    assert made["model"]["frechet"] is None  # no data
    assert made["pictures"] == MANY


def test_a_model_that_guides_by_itself_is_evaluated_once_a_step():
    student, teacher = Fake(0), Fake(0)
    student.description["distilled_guidance"] = 1.5
    assert [request(m).evaluations() for m in (student, teacher)] == [4, 8]


def test_numbers_are_those_of_the_metrics_and_of_each_model():
    extract, seeds = open_features("random"), range(3, 3 + MANY)
    altered, unaltered = Fake(5), Fake(0)
    rows = np.asarray(seeds, np.int32)
    x, y = (m.generate(rows, rows, "4", 1.0, "ddim") for m in (altered, unaltered))
    data = metrics.gaussian_of(np.random.default_rng(9).permutation(y[:8]), extract)
    made = compare_models(
        request(altered, "4"), request(unaltered, "8"), extract, data, seeds, 5
    )
    assert made["sqnr"] == pytest.approx(metrics.sqnr(y, x))
    assert made["psnr"] == pytest.approx(20 * np.log10(255 / 5), abs=1e-4)
    assert made["frechet"] == pytest.approx(metrics.frechet(x, y, extract), rel=1e-6)
    for name, pictures in (("model", x), ("reference", y)):
        wanted = metrics.frechet(pictures, data, extract)
        assert made[name]["frechet"] == pytest.approx(wanted, rel=1e-6)
        assert made[name]["parameters"] == 7
        assert made[name]["seconds_per_picture"] > 0
    evaluations = [made[k]["evaluations_per_picture"] for k in ("model", "reference")]
    assert evaluations == [8, 16]  # guided


def test_so_few_pictures_have_no_distance_and_the_table_says_why():
    extract = open_features("random")
    pictures = Fake(0).generate(range(MANY), (), "4", 1.0, "ddim")
    data = metrics.gaussian_of(pictures, extract)
    made = compare_models(
        request(Fake(1)), request(Fake(0)), extract, data, range(40), 20
    )
    assert made["frechet"] is made["model"]["frechet"] is None
    assert "40 pictures for 256 features" in format_comparison(made)
    assert made["psnr"] > 40


def test_without_scikit_image_all_but_one_number_is_there(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.metrics", None)
    extract = open_features("random")
    made = compare_models(
        request(Fake(1)), request(Fake(0)), extract, None, range(4), 2
    )
    assert made["ssim"] is None and made["psnr"] > 40


def test_both_get_the_same_seeds_and_labels_in_turn():
    models = Fake(0), Fake(1)
    extract = open_features("random")
    compare_models(*map(request, models), extract, None, range(40, 52), 5)
    assert models[0].asked == models[1].asked
    seeds = [seed for asked in models[0].asked[1:] for seed in asked[0]]
    labels = [label for asked in models[0].asked[1:] for label in asked[1]]
    assert seeds == list(range(40, 52))
    assert labels == [seed % 10 for seed in seeds]


def test_the_report_is_what_is_printed(saved_model, tmp_path):
    config = CompareConfig(
        model=saved_model,
        reference=saved_model,
        data="mnist@test",
        num_images=6,
        sampler="ddpm",
        steps="3",
        reference_steps="2",
        out=str(tmp_path / "c.json"),
    )
    made = compare(config, open_generator)
    read = json.loads((tmp_path / "c.json").read_text())
    assert read["model"] == made["model"]
    assert read["features"] == "random" and read["model"]["accuracy"] is None
    assert read["model"]["bytes"] == read["reference"]["bytes"] > 1000
    assert read["model"]["frechet"] is None  # of six pictures
    assert [read[k]["evaluations_per_picture"] for k in ("model", "reference")] == [
        6,
        4,
    ]
    table = format_comparison(made)
    assert f"{made['sqnr']:.2f} dB" in table
    assert "1.500" in table  # of the evaluations


def test_what_the_reference_was_trained_on_is_the_data(tmp_path):
    def opener(setting, path):
        return Fake(0, record="--seed=1\n--dataset=mnist@test\n--width=8")

    config = CompareConfig(
        model="a", reference="b", num_images=4, out=str(tmp_path / "c.json")
    )
    (tmp_path / "a").mkdir()
    made = compare(config, opener)
    assert made["data"] == "mnist@test"


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"reference": "a"}, "model: missing"),
        ({"model": "a"}, "reference: missing"),
        ({"model": "a", "reference": "a", "num_images": 1}, "num_images=1"),
    ],
)
def test_settings_without_sense_are_named(settings, message):
    with pytest.raises(InputError, match=message):
        compare(CompareConfig(**settings), open_generator)
