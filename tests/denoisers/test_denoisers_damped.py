"""The end of sampling as JiT's authors have it."""

import numpy as np
import pytest
import tensorflow as tf
from toys import GaussianToy

import pdm_tf as pdm
from pdm_tf.denoisers.damped import damped
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.samplers.sampler import sample_from

FLOOR = 0.05


def naive(estimate, w, steps, heun):
    """Their loop: v = (x - w) / max(1 - t, floor), the last step Euler's."""

    def velocity(w, t):
        return (estimate(w, t) - w) / max(1.0 - t, FLOOR)

    for i in range(steps):
        t, to = i / steps, (i + 1) / steps
        v = velocity(w, t)
        if heun and i < steps - 1:
            v = 0.5 * (v + velocity(w + (to - t) * v, to))
        w = w + (to - t) * v
    return w


@pytest.mark.parametrize("scale", [1.0, 2.0])
@pytest.mark.parametrize(("steps", "differs"), [(50, True), (20, False)])
def test_samplers_take_the_steps_of_theirs(scale, steps, differs):
    toy, flow = GaussianToy(), pdm.LinearFlow.of(1000, scale)
    toy.schedule = flow
    z = tf.constant(np.random.default_rng(0).normal(size=(2, *toy.image_shape)))
    z = tf.cast(z, tf.float32)

    def estimate(w, t):
        level = flow.at(tf.constant(t, tf.float32))
        return toy(flow.as_noised(tf.constant(w, tf.float32), level), level).x.numpy()

    def drawn(floor, sampler):
        denoise = damped(toy, floor)
        return sample_from(denoise, sampler, flow.grid(steps), [1, 2], z).numpy()

    for sampler, heun in ((pdm.LinearHeun(scale), True), (pdm.DDIM(), False)):
        wanted = naive(estimate, scale * z.numpy(), steps, heun)
        np.testing.assert_allclose(drawn(FLOOR, sampler), wanted, atol=2e-5)
        change = np.abs(drawn(0.0, sampler) - wanted).max()
        assert bool(change > 1e-3) == differs


def test_a_run_samples_so_where_its_settings_say():
    toy = GaussianToy()
    sampling = pdm.SamplingConfig(thresholding="none")
    assert not hasattr(for_sampling(toy, tf.constant([0]), 1.0, sampling), "floor")
    said = pdm.SamplingConfig(thresholding="none", velocity_floor=FLOOR)
    assert for_sampling(toy, tf.constant([0]), 1.0, said).floor == FLOOR
