"""MMD-DDM: adapters that learn through the sampler, on a base of any kind."""

from types import SimpleNamespace

import numpy as np
import pytest
from small_networks import SMALL, small_denoiser

from pdm_tf.config import Config, InputError, SamplingConfig
from pdm_tf.denoisers.distilled import distilled
from pdm_tf.distillation.mmd import Config as Settings
from pdm_tf.distillation.mmd import derive


class Pictures:
    """A source of noise with labels."""

    def __len__(self):
        return 9

    def read(self, chosen):
        drawn = np.random.default_rng(0).integers(0, 256, (9, *SMALL.image_shape))
        return drawn[chosen].astype(np.uint8), np.asarray(chosen) % 3


def tuned(base, restoring=False, **settings):
    kept = {}
    context = SimpleNamespace(
        settings=Config(sampling=SamplingConfig(thresholding="static")),
        open_source=Pictures,
        restoring=restoring,
        note=lambda line: None,
        keep=kept.__setitem__,
        kept=kept.get,
    )
    return derive(base, Settings(rank=2, features=4, **settings), context), kept


def test_adapters_alone_learn_and_none_of_the_variances_head():
    base = small_denoiser()
    made, kept = tuned(base)
    own = {id(v) for v in base.variables.values()}
    added = {n: v for n, v in made.denoiser.variables.items() if id(v) not in own}
    assert added == made.objective.variables
    assert not [name for name in added if "variance" in name]
    assert kept["features"]["features"].shape == (9, 4)


def test_it_is_sampled_once_a_step_by_the_sampler_that_it_was_tuned_for():
    plain = small_denoiser()
    lcm = distilled(plain, 1.5, ("lcm", 4), consistent=True)
    for base, settings, sampler, w in (
        (plain, {}, ("ddim_trailing", 5), 1.0),
        (plain, {"sampler": "ddim", "steps": 3}, ("ddim", 3), 1.0),
        (lcm, {"steps": 2}, ("lcm", 2), 1.5),
    ):
        made = tuned(base, **settings)[0]
        assert made.denoiser.own_sampler == sampler
        assert made.denoiser.distilled_guidance == w
        assert made.sampling["sample_steps"] == sampler[1]
        assert made.objective.grid.size == sampler[1]
        assert made.objective.student.own_sampler == sampler


def test_opening_a_model_reads_no_pictures():
    made, kept = tuned(small_denoiser(), restoring=True)
    assert made.objective is None and not kept


def test_what_does_not_exist_is_refused_in_one_line():
    for settings, words in (
        ({"sampler": "leaps"}, "sampler=leaps: choose from"),
        ({"steps": 1001}, "steps"),
        ({"layers": "nowhere"}, "layers=nowhere: fits no layer"),
    ):
        with pytest.raises(InputError, match=words) as error:
            tuned(small_denoiser(), **settings)
        assert "\n" not in str(error.value)
