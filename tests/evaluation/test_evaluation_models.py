"""SavedModels: pictures drawn as a user would draw them, and what that costs."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from pdm_tf.config import EvaluationConfig, InputError
from pdm_tf.evaluation.models import Drawn, draw_labels

CONFIG = EvaluationConfig(steps="3", seed=5)


@pytest.fixture(scope="module")
def sampler(saved_model) -> Drawn:
    return Drawn("samples", saved_model, CONFIG)


def draw(sampler: Drawn, count: int, batch_size: int) -> np.ndarray:
    return np.concatenate(list(sampler.batches(count, batch_size)))


def test_pictures_are_those_of_the_signature(saved_model, sampler):
    """Seeds from --seed on, classes in turn, steps and weight as set."""
    asked = tf.saved_model.load(saved_model).signatures["sample"](
        seeds=tf.range(5, 12),
        labels=tf.constant([0, 1, 2, 0, 1, 2, 0]),
        steps=tf.constant(3),
        guidance=tf.constant(1.5),
    )
    found = draw(sampler, 7, 7)
    assert found.std() > 5
    np.testing.assert_array_equal(found, asked["images"])


def test_batch_size_changes_no_picture(sampler):
    difference = draw(sampler, 7, 7) - draw(sampler, 7, 3).astype(int)
    assert np.abs(difference).max() <= 1  # rounding to grey levels


def test_cost_counts_what_was_drawn(network, sampler):
    before = sampler.cost()["pictures"]
    draw(sampler, 4, 2)
    cost = sampler.cost()
    assert cost["pictures"] == before + 4
    rate = cost["pictures"] / cost["seconds"]
    assert cost["pictures_per_second"] == pytest.approx(rate)
    assert cost["evaluations_per_picture"] == 6  # three steps, guided
    assert cost["flops_per_picture"] == 6 * cost["flops_per_evaluation"] > 0
    assert cost["parameters"] == network.count_params()


@pytest.mark.parametrize(
    "settings, evaluations",
    [
        ({"steps": "3"}, 6),
        ({"steps": "3", "guidance": 1.0}, 3),
        ({"steps": "2,3"}, 10),
        ({"steps": "25", "guidance": 0.0, "sampler": "ddim"}, 50),
    ],
)
def test_guidance_evaluates_twice(saved_model, settings, evaluations):
    drawn = Drawn("samples", saved_model, EvaluationConfig(**settings))
    assert drawn.evaluations() == evaluations


def test_the_sampler_named_draws(saved_model, sampler):
    other = Drawn("samples", saved_model, replace(CONFIG, sampler="ddim"))
    assert (sampler.describe()["sampler"], other.describe()["sampler"]) == (
        "ddpm",
        "ddim",
    )
    assert not np.array_equal(draw(sampler, 3, 3), draw(other, 3, 3))


def test_balanced_labels_take_turns():
    labels = draw_labels("balanced", 3, 10, seed=0)
    np.testing.assert_array_equal(labels, [0, 1, 2, 0, 1, 2, 0, 1, 2, 0])


def test_uniform_labels_are_uniform_and_repeatable():
    labels = draw_labels("uniform", 4, 20_000, seed=0)
    np.testing.assert_allclose(np.bincount(labels), 5000, rtol=0.05)
    np.testing.assert_array_equal(labels, draw_labels("uniform", 4, 20_000, seed=0))
    assert (labels != draw_labels("uniform", 4, 20_000, seed=1)).any()


@pytest.mark.parametrize("policy", ["balanced", "uniform"])
def test_no_classes_no_labels(policy):
    np.testing.assert_array_equal(draw_labels(policy, 0, 3, seed=0), [0, 0, 0])


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"steps": "101"}, "choose 1 to 100"),
        ({"sampler": "best"}, "sampler=best: the SavedModel holds ddpm"),
        ({"steps": "9", "guidance": float("nan")}, "--guidance=nan"),
    ],
)
def test_settings_it_cannot_take(saved_model, settings, message):
    with pytest.raises(InputError, match=message):
        Drawn("samples", saved_model, EvaluationConfig(**settings))


def test_damaged_or_foreign_models_are_one_line(tmp_path):
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "saved_model.pb").write_bytes(b"nothing of the kind")
    foreign = tf.Module()
    foreign.f = tf.function(lambda: tf.constant(1), input_signature=[])
    tf.saved_model.save(foreign, str(tmp_path / "foreign"), {"f": foreign.f})
    for name, message in (("damaged", "not a SavedModel"), ("foreign", "not written")):
        with pytest.raises(InputError, match=message) as error:
            Drawn("samples", str(tmp_path / name), CONFIG)
        assert "\n" not in str(error.value)
