"""Adapters as vectors: sums at scales, put onto another base and taken out again."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from small_networks import SCHEDULE, noisy, small_denoiser, small_network

from pdm_tf.adapters import lora_plan
from pdm_tf.adapters.add import Config, derive, read_factors, summed
from pdm_tf.config import InputError
from pdm_tf.networks.transforms import plan_variables, stacked

LABELS = tf.constant([0, 2, 3])
LCM = {"guidance": 1.5, "sampler": ["lcm", 4], "consistent": True}


@pytest.fixture(scope="module")
def network():
    return small_network()


def plan_of(network, seed, rank=2, layers=""):
    """Adapters that change something."""
    plan, rng = lora_plan(network, rank, seed, layers), np.random.default_rng(seed)
    for change in plan.values():
        change.b.assign(0.1 * rng.normal(size=change.b.shape))
    return plan


def arrays_of(plan):
    return {f"plan.{n}": v.numpy() for n, v in plan_variables(plan).items()}


def added(base, plans, scale=(1.0,), means=None):
    """What `add` makes of plans that lie in places called 0, 1, …"""

    def read(place):
        facts = {"distilled": (means or {}).get(place)}
        return {"facts": facts, "sampling": {}}, arrays_of(plans[int(place)])

    context = SimpleNamespace(restoring=False, read_added=read, facts={})
    names = tuple(str(i) for i in range(len(plans)))
    return derive(base, Config(adapter=names, scale=scale), context)


def predicted(denoise):
    return denoise.conditioned(LABELS)(noisy(), SCHEDULE.level(400)).x.numpy()


def test_the_sum_at_scales_is_both_adapters_at_these_scales(network):
    base = small_denoiser(network)
    plans = [plan_of(network, 0), plan_of(network, 1, 3, "conv|skip")]
    found = added(base, plans, (0.5, -2.0)).denoiser
    scaled = [
        {path: change.rescaled(s) for path, change in plan.items()}
        for plan, s in zip(plans, (0.5, -2.0), strict=True)
    ]
    wanted = small_denoiser(network, stacked(*scaled))
    np.testing.assert_allclose(predicted(found), predicted(wanted), atol=2e-5)
    assert np.abs(predicted(found) - predicted(base)).max() > 1e-2


@pytest.mark.slow
def test_an_adapter_is_taken_out_again(network):
    base = small_denoiser(network)
    plan = [plan_of(network, 0)]
    there = added(base, plan).denoiser
    back = added(there, plan, (-1.0,)).denoiser
    assert np.abs(predicted(there) - predicted(base)).max() > 1e-2
    np.testing.assert_allclose(predicted(back), predicted(base), atol=1e-5)
    nothing = added(base, plan, (0.0,)).denoiser
    np.testing.assert_allclose(predicted(nothing), predicted(base), atol=1e-6)


def test_a_sum_is_an_adapter_and_can_be_added_again(network):
    plans = [plan_of(network, 0), plan_of(network, 1, 3, "conv|skip")]
    arrays = arrays_of(stacked(*plans))  # as one that was trained above another
    each = [read_factors(network, "x", arrays_of(plan)) for plan in plans]
    whole, parts = read_factors(network, "x", arrays), summed(each, [1.0, 1.0])
    for path, (a, b) in parts.items():
        np.testing.assert_allclose(whole[path][0] @ whole[path][1], a @ b, atol=1e-5)


def test_what_is_restored_has_the_shapes_of_what_was_made(network):
    base = small_denoiser(network)
    made = added(base, [plan_of(network, 0)], means={"0": LCM})
    again = SimpleNamespace(restoring=True, facts=made.facts)
    opened = derive(base, Config(adapter=("gone",)), again).denoiser
    shapes = {n: tuple(v.shape) for n, v in made.denoiser.variables.items()}
    assert shapes == {n: tuple(v.shape) for n, v in opened.variables.items()}
    for denoise in (made.denoiser, opened):
        assert denoise.distilled_guidance == 1.5
        assert denoise.own_sampler == ("lcm", 4)


def test_what_cannot_be_added_is_refused_in_one_line(network):
    base, plan = small_denoiser(network), plan_of(network, 0)
    other = {n.replace("conv_in", "conv_on"): v for n, v in arrays_of(plan).items()}
    wide = {n: np.repeat(v, 2, 0) for n, v in arrays_of(plan).items()}
    for arrays, words in (
        ({}, "holds no adapter"),
        ({"network.conv.kernel": np.zeros(3)}, "holds no adapter"),
        (other, "the base has no layer"),
        (wide, "of another shape than the base's"),
    ):
        with pytest.raises(InputError, match=words):
            read_factors(network, "x", arrays)
    with pytest.raises(InputError, match=r"scale=.*give one number, or 1"):
        added(base, [plan], (1.0, 2.0))
    with pytest.raises(InputError, match="adapter=1: distils, as 0 does"):
        added(base, [plan, plan], means={"0": LCM, "1": LCM})
    fast = added(base, [plan], means={"0": LCM}).denoiser
    with pytest.raises(InputError, match="guides already"):
        added(fast, [plan], means={"0": LCM})
    assert added(fast, [plan]).denoiser.own_sampler == ("lcm", 4)


def test_an_adapter_that_takes_w_is_added_with_a_style_and_takes_it_still(network):
    base, style = small_denoiser(network), plan_of(network, 0, 2, "conv_in")
    guide = lora_plan(network, 2, 1, "conv_in|skip", guidance=1.5)
    rng = np.random.default_rng(3)
    for change in guide.values():
        for factor in (change.b, change.c):
            factor.assign(0.1 * rng.normal(size=factor.shape))
    means = {"guidance": 1.5, "guidance_range": [1.0, 4.0]}
    made = added(base, [style, guide], (0.5, 2.0), {"1": means})
    assert made.denoiser.guidance_range == (1.0, 4.0)
    parts = [
        {path: change.rescaled(scale) for path, change in plan.items()}
        for plan, scale in ((style, 0.5), (guide, 2.0))
    ]
    wanted = small_denoiser(network, stacked(*parts))
    for w in (1.0, 3.0):
        found, want = (predicted(d.at_guidance(w)) for d in (made.denoiser, wanted))
        np.testing.assert_allclose(found, want, atol=2e-5)
    facts = json.loads(json.dumps(made.facts))
    opened = derive(base, Config(), SimpleNamespace(restoring=True, facts=facts))
    shapes, again = (
        {n: tuple(v.shape) for n, v in d.variables.items()}
        for d in (made.denoiser, opened.denoiser)
    )
    assert again == shapes and opened.denoiser.guidance_range == (1.0, 4.0)
    kept = {n: v.numpy() for n, v in made.denoiser.variables.items() if "plan." in n}
    for taking_w, plan in ((False, style), (True, guide)):  # it can be added again
        assert read_factors(network, "x", kept, taking_w).keys() == plan.keys()
