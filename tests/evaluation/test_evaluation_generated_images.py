"""SavedModels: pictures drawn as a user would draw them, and what that costs."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from pdm_tf.config import EvaluationConfig, InputError
from pdm_tf.denoisers import NetworkDenoiser
from pdm_tf.diffusion import NoiseSchedule
from pdm_tf.evaluation.generated_images import GeneratedImages, by_protocol, draw_labels
from pdm_tf.evaluation.model_cost import count_evaluations
from pdm_tf.serving import DenoiserGenerator, SavedModelGenerator

CONFIG = EvaluationConfig(steps="3", seed=5, sampler="ddpm")


@pytest.fixture(scope="module")
def generator(saved_model) -> SavedModelGenerator:
    return SavedModelGenerator("samples", saved_model)


@pytest.fixture(scope="module")
def images(generator) -> GeneratedImages:
    return GeneratedImages(generator, CONFIG)


def sample(images: GeneratedImages, count: int, batch_size: int) -> np.ndarray:
    return np.concatenate([x for x, _ in images.labelled(count, batch_size)])


def test_pictures_are_those_of_the_signature(saved_model, images):
    """Seeds from --seed on, classes in turn, steps and weight as set."""
    asked = tf.saved_model.load(saved_model).signatures["sample"](
        seeds=tf.range(5, 12),
        labels=tf.constant([0, 1, 2, 0, 1, 2, 0]),
        steps=tf.constant(3),
        guidance=tf.constant(1.5),
    )
    found = sample(images, 7, 7)
    assert found.std() > 5
    np.testing.assert_array_equal(found, asked["images"])


def test_batch_size_changes_no_picture(images):
    difference = sample(images, 7, 7) - sample(images, 7, 3).astype(int)
    assert np.abs(difference).max() <= 1  # rounding to grey levels


def test_cost_counts_what_was_sampled(network, images):
    before = images.cost()["pictures"]
    sample(images, 4, 2)
    cost = images.cost()
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
def test_guidance_evaluates_twice(generator, settings, evaluations):
    config = EvaluationConfig(**{"sampler": "ddpm", **settings})
    found = count_evaluations(generator, config.sampler, config.steps, config.guidance)
    assert found == evaluations


def test_the_sampler_named_samples(generator, images):
    other = GeneratedImages(generator, replace(CONFIG, sampler="ddim"))
    assert (images.describe()["sampler"], other.describe()["sampler"]) == (
        "ddpm",
        "ddim",
    )
    assert not np.array_equal(sample(images, 3, 3), sample(other, 3, 3))


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
        ({"steps": "101", "sampler": "ddpm"}, "choose 1 to 100"),
        ({"sampler": "best"}, "sampler=best: the SavedModel holds ddpm"),
        ({"steps": "9", "guidance": float("nan")}, "guidance=nan"),
    ],
)
def test_settings_it_cannot_take(generator, settings, message):
    with pytest.raises(InputError, match=message):
        GeneratedImages(generator, EvaluationConfig(**settings))


def test_a_denoiser_in_python_costs_what_its_export_costs(network, generator):
    denoiser = NetworkDenoiser(network, NoiseSchedule.linear(100, 0.2), "x")
    found = GeneratedImages(DenoiserGenerator(denoiser), CONFIG)
    cost, saved = found.cost(), GeneratedImages(generator, CONFIG).cost()
    for name in ("parameters", "flops_per_evaluation", "evaluations_per_picture"):
        assert cost[name] == saved[name] > 0
    assert found.image_shape == (16, 16, 1)


@pytest.mark.parametrize(
    "settings, sampler, steps",
    [
        ({}, "dpm_solver_sde", "20"),
        ({"protocol": "paper"}, "ddpm", "250"),
        ({"sampler": "ddim"}, "ddim", "50"),
        ({"sampler": "ddim", "protocol": "paper"}, "ddim", "250"),
        ({"steps": "7"}, "dpm_solver_sde", "7"),
    ],
)
def test_a_protocol_says_what_is_left_open(generator, settings, sampler, steps):
    found = by_protocol(EvaluationConfig(**settings), generator.samplers)
    assert (found.sampler, found.steps) == (sampler, steps)


@pytest.mark.parametrize("protocol", ["quick", "paper"])
@pytest.mark.parametrize(
    "settings, sampler, steps",
    [
        ({}, "lcm", "4"),
        ({"steps": "2"}, "lcm", "2"),
        ({"sampler": "lcm"}, "lcm", "4"),
        ({"sampler": "ddim", "steps": "9"}, "ddim", "9"),
    ],
)
def test_a_model_made_for_a_sampler_is_sampled_so(protocol, settings, sampler, steps):
    config = EvaluationConfig(protocol=protocol, **settings)
    found = by_protocol(config, ("ddpm", "ddim", "lcm"), ["lcm", 4])
    assert (found.sampler, found.steps) == (sampler, steps)


def test_a_model_without_the_sampler_of_a_protocol_takes_its_first():
    found = by_protocol(EvaluationConfig(), ("plms", "ddim"))
    assert (found.sampler, found.steps) == ("plms", "50")
