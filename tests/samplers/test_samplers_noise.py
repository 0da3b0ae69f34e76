"""What samplers that draw noise do to the variance of what they draw."""

import numpy as np
import pytest
from quick import cases
from toys import GaussianToy

from pdm_tf.config import InputError
from pdm_tf.samplers import DDIM, DDPM, DPMSolver, Heun, sample

SHAPE = (16, 16, 1)
TOY = GaussianToy(image_shape=SHAPE)


def spread(sampler, steps):
    """Standard deviation of 64 pictures; its own error is 0.6 %."""
    grid = TOY.schedule.grid(steps)
    return sample(TOY, sampler, grid, range(64), SHAPE).numpy().std()


@pytest.mark.parametrize("variance", cases(["learned", "large", "small"], ["learned"]))
def test_ddpm_tends_to_the_truth(variance):
    wrong = [abs(spread(DDPM(variance), n) / TOY.std - 1) for n in (10, 50, 1000)]
    assert wrong[0] > 3 * wrong[1] > 6 * wrong[2]
    assert wrong[2] < 0.015


@pytest.mark.parametrize(
    "sampler, within",
    [
        (DDIM(eta=0.5), 0.03),  # order 1: 3 % at eta 1, as the small variance above
        (DDIM(eta=1.0), 0.045),
        (DPMSolver(sde=True), 0.015),
        (Heun(churn=0.3), 0.015),
    ],
    ids=repr,
)
def test_fresh_noise_leaves_the_truth_where_it_is(sampler, within):
    assert spread(sampler, 250) == pytest.approx(TOY.std, rel=within)


def test_eta_1_is_ancestral_sampling_with_the_small_variance():
    grid = TOY.schedule.grid(20)
    x, y = (
        sample(TOY, sampler, grid, range(4), SHAPE).numpy()
        for sampler in (DDIM(eta=1.0), DDPM("small"))
    )
    np.testing.assert_allclose(x, y, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "sampler", [DDIM(eta=1.0), DPMSolver(sde=True), Heun(0.3)], ids=repr
)
def test_noise_moves_the_picture(sampler):
    calm = type(sampler)()
    grid = TOY.schedule.grid(20)
    x, y = (
        sample(TOY, each, grid, range(2), SHAPE).numpy() for each in (sampler, calm)
    )
    assert np.abs(x - y).mean() > 0.05


def test_churn_tells_the_network_of_levels_between_those_visited():
    asked = []

    def denoise(z, level):
        asked.append((int(level.t), float(level.log_snr)))
        return TOY(z, level)

    sampler, z = Heun(churn=0.4, churn_to=1e3), np.zeros((1, *SHAPE), np.float32)
    grid = TOY.schedule.grid(30)
    state = sampler.init(z)
    for i in range(20):
        level, to = grid.level(i), grid.level(i + 1)
        z, state = sampler.step(denoise, z, level, to, state, np.ones_like(z))
    assert asked[0] == (999, pytest.approx(float(grid.log_snr[0])))  # none before
    for i, (t, log_snr) in enumerate(asked[2::2], start=1):
        assert int(grid.t[i]) < t <= int(grid.t[i - 1])
        truth = TOY.schedule.log_snr[t]
        assert log_snr == pytest.approx(truth, abs=0.03)


def test_impossible_settings_are_refused():
    for make in (lambda: DDIM(eta=1.5), lambda: Heun(churn=0.5)):
        with pytest.raises(InputError, match="choose"):
            make()
