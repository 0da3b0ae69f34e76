"""A slim network: an eighth of the operations, a model of its own."""

from types import SimpleNamespace

import pytest
import tensorflow as tf
from small_networks import SCHEDULE, noisy, small_denoiser

from pdm_tf.config import Config, InputError, UNetConfig
from pdm_tf.denoisers import NetworkDenoiser, split
from pdm_tf.denoisers.distilled import distilled
from pdm_tf.distillation.spectral import Config as Settings
from pdm_tf.distillation.spectral import derive, slim
from pdm_tf.networks import PatchedUNet
from pdm_tf.networks.wavelets import WaveletUNet
from pdm_tf.profiling.flops import count_denoise_flops


def slimmed(base, restoring=False, **settings):
    context = SimpleNamespace(settings=Config(), restoring=restoring)
    return derive(base, Settings(**{"width": 4} | settings), context)


def test_by_default_it_takes_about_an_eighth_of_the_operations():
    config = UNetConfig(image_shape=(16, 16, 1), width=32, num_classes=3)
    base = NetworkDenoiser(PatchedUNet(config), SCHEDULE)
    whole = count_denoise_flops(base.network, (16, 16, 1))
    for gated in (True, False):
        own = slim(base, 0, 0, gated).network
        assert isinstance(own, WaveletUNet) is gated
        share = count_denoise_flops(own, (16, 16, 1)) / whole
        assert 0.1 < share < 0.14


def test_all_that_is_stored_is_its_own_and_no_aligner_is():
    base = small_denoiser()
    made = slimmed(base)
    held = {id(v) for v in base.variables.values()}
    assert not held & {id(v) for v in made.denoiser.variables.values()}
    learnt = made.objective.variables
    aligners = [name for name in learnt if name.startswith("aligner")]
    assert len(aligners) == 3
    assert learnt.keys() - set(aligners) == made.denoiser.variables.keys()
    assert made.objective.teacher.network is base.network


def test_the_plain_student_has_no_teacher():
    made = slimmed(small_denoiser(), gated=False, spatial=0.0, frequency=0.0)
    assert not made.objective.aligners
    assert made.objective.variables == made.denoiser.variables


@pytest.mark.slow
def test_it_is_drawn_from_its_seed_and_opened_without_a_teacher():
    base = small_denoiser()
    one, two = slimmed(base), slimmed(base, restoring=True)
    assert two.objective is None
    level, z = SCHEDULE.level(400), noisy(2)
    labels = tf.constant([0, 3])
    for a, b in zip(
        one.denoiser.conditioned(labels)(z, level),
        two.denoiser.conditioned(labels)(z, level),
        strict=True,
    ):
        tf.debugging.assert_equal(a, b)


def test_what_cannot_be_made_slim_is_refused_in_one_line():
    parts = split(small_denoiser(), small_denoiser(), snr=1.0)
    for base, words in (
        (distilled(small_denoiser(), 1.5), "guides already"),
        (parts, "derived from one network"),
    ):
        with pytest.raises(InputError, match=words) as error:
            slimmed(base)
        assert "\n" not in str(error.value)
