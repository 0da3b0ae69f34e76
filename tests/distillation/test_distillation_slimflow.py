"""SlimFlow: a slim network of straight ways, and one of a single step made of it."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from small_networks import small_denoiser

from pdm_tf.config import Config, InputError, SamplingConfig
from pdm_tf.denoisers.distilled import distilled
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.diffusion.flow import LinearFlow
from pdm_tf.distillation.slimflow import Config as Settings
from pdm_tf.distillation.slimflow import derive, draw_pairs
from pdm_tf.objectives.reflow import FlowDistillation, Reflow
from pdm_tf.samplers import DDIM, SPACINGS, sample

STATIC = SamplingConfig(thresholding="static")
QUICK = {"width": 4, "pairs": 5, "pair_steps": 2, "pair_sampler": "ddim_trailing"}


def flowing(base, restoring=False, **settings):
    kept = {}
    context = context_of(kept, restoring)
    return derive(base, Settings(**QUICK | settings), context), kept


def context_of(kept, restoring=False):
    return SimpleNamespace(
        settings=Config(sampling=STATIC),
        restoring=restoring,
        keep=kept.__setitem__,
        kept=kept.get,
    )


@pytest.fixture(scope="module")
def first():
    return flowing(small_denoiser(), steps=3)[0]


def test_a_base_gives_a_slim_network_on_the_linear_process(first):
    assert isinstance(first.objective, Reflow)
    assert isinstance(first.denoiser.schedule, LinearFlow)
    assert first.denoiser.own_sampler == ("ddim", 3)
    assert first.denoiser.distilled_guidance == 1.5
    learnt = set(first.objective.variables)
    assert learnt == {n for n in first.denoiser.variables if "variance" not in n}


def test_what_it_made_gives_one_of_a_single_step_that_begins_as_it_is(first):
    made, _ = flowing(first.denoiser)
    assert isinstance(made.objective, FlowDistillation)
    assert made.denoiser.own_sampler == ("ddim", 1)
    assert made.denoiser.distilled_guidance == 1.5
    for name, variable in made.denoiser.variables.items():
        taught = first.denoiser.variables[name]
        assert variable is not taught
        np.testing.assert_array_equal(variable, taught)


def test_pairs_are_the_bases_pictures_of_their_noise_and_are_kept_in_pieces(first):
    base, kept = small_denoiser(), {}
    config = Settings(**QUICK)
    pairs = draw_pairs(base, config, 1.5, context_of(kept))
    assert list(kept) == ["pairs_0"]
    once = for_sampling(base, tf.constant(pairs.labels), 1.5, STATIC)
    grid = base.schedule.grid(2, SPACINGS["ddim_trailing"])
    seeds = 2**29 + np.arange(5, dtype=np.int32)
    wanted = sample(once, DDIM(), grid, seeds, base.image_shape)
    np.testing.assert_allclose(pairs.x1, np.clip(wanted, -1, 1), atol=1e-5)
    kept["pairs_0"] = {"x1": 0.5 * np.ones_like(pairs.x1)}  # read, not drawn again
    np.testing.assert_array_equal(
        draw_pairs(base, config, 1.5, context_of(kept)).x1, 0.5
    )


def test_opening_a_model_draws_no_pairs(first):
    made, kept = flowing(small_denoiser(), restoring=True)
    again, others = flowing(made.denoiser, restoring=True)
    assert made.objective is again.objective is None and not kept and not others


def test_what_cannot_be_straightened_is_refused_in_one_line():
    for base, settings, words in (
        (distilled(small_denoiser(), 1.5), {}, "guides already"),
        (small_denoiser(), {"pair_sampler": "leaps"}, "pair_sampler=leaps"),
    ):
        with pytest.raises(InputError, match=words) as error:
            flowing(base, **settings)
        assert "\n" not in str(error.value)
