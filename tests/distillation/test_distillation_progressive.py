"""Progressive distillation as a chain of models, each half as many steps."""

from types import SimpleNamespace

import pytest
from small_networks import small_denoiser

from pdm_tf.config import Config, InputError, SamplingConfig
from pdm_tf.denoisers.distilled import distilled
from pdm_tf.distillation.progressive import Config as Settings
from pdm_tf.distillation.progressive import derive


def halved(base, **settings):
    sampling = SamplingConfig(thresholding="static")
    context = SimpleNamespace(settings=Config(sampling=sampling))
    return derive(base, Settings(rank=2, **settings), context)


def test_a_chain_guides_its_first_teacher_alone_and_keeps_w():
    first = halved(small_denoiser(), steps=8, guidance=2.0)
    second = halved(first.denoiser, steps=4, guidance=3.0)
    assert [made.objective.guidance for made in (first, second)] == [2.0, 1.0]
    assert second.denoiser.distilled_guidance == 2.0
    assert second.denoiser.own_sampler == ("ddim_trailing", 4)
    learnt = second.objective.variables
    assert learnt and not {id(v) for v in learnt.values()} & {
        id(v) for v in first.denoiser.variables.values()
    }


def test_what_does_not_halve_is_refused_in_one_line():
    first = halved(small_denoiser(), steps=8).denoiser
    lcm = distilled(small_denoiser(), 1.5, ("lcm", 4), consistent=True)
    for base, steps, words in (
        (small_denoiser(), 501, "steps=501: choose 1 to 500"),
        (first, 2, "steps=2: the base is made for 8, so give 4"),
        (lcm, 2, "distilled in another way"),
        (distilled(small_denoiser(), 1.5), 2, "distilled in another way"),
    ):
        with pytest.raises(InputError, match=words) as error:
            halved(base, steps=steps)
        assert "\n" not in str(error.value)
