"""Students as they are used: consistency functions, and what sampling knows of them."""

import json

import numpy as np
import pytest
import tensorflow as tf
from toys import SHAPE, GaussianToy

from pdm_tf.config.sampling import FEW
from pdm_tf.denoisers.distilled import Consistent, distilled, refuse_distilled
from pdm_tf.errors import InputError

TOY = GaussianToy(shift=0.3)
Z = tf.constant(np.random.default_rng(0).normal(size=(3, *SHAPE)), tf.float32)


def test_at_the_clean_end_it_is_the_picture_itself():
    level = TOY.schedule.level([0, 0, 0])
    np.testing.assert_array_equal(Consistent(TOY)(Z, level).x, Z)


@pytest.mark.parametrize("t", [1, 20, 999])
def test_everywhere_else_it_is_the_estimate_to_some_thousandths(t):
    level = TOY.schedule.level(t)
    found, wanted = Consistent(TOY)(Z, level).x, TOY(Z, level).x
    np.testing.assert_allclose(found, wanted, atol=0.01 / t)


def test_levels_of_a_batch_are_taken_each_for_itself():
    t = [0, 1, 500]
    found = Consistent(TOY)(Z, TOY.schedule.level(t)).x
    for i, own in enumerate(t):
        alone = Consistent(TOY)(Z[i : i + 1], TOY.schedule.level(own)).x
        np.testing.assert_allclose(found[i], alone[0], atol=1e-6)


def test_it_is_made_of_plain_data_and_passes_what_it_knows_on():
    facts = {"guidance": 2.0, "sampler": list(FEW), "consistent": True}
    made = distilled(TOY, **json.loads(json.dumps(facts)))
    for known in (made, made.conditioned([0, 1, 0]), Consistent(made)):
        assert known.distilled_guidance == 2.0
        assert known.own_sampler == FEW
    level = TOY.schedule.level(1)
    np.testing.assert_array_equal(made(Z, level).x, Consistent(TOY)(Z, level).x)
    assert distilled(TOY).own_sampler is None


def test_what_guides_already_is_refused():
    refuse_distilled(TOY)
    with pytest.raises(InputError, match="guides already, at w = 2;"):
        refuse_distilled(distilled(TOY, 2.0))
