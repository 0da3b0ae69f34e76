"""A classifier leads to one class: what has none, or more conditions, is refused."""

import pytest

from pdm_tf.config.conditioning import Attribute, Conditions
from pdm_tf.denoisers.callback import CallbackDenoiser
from pdm_tf.diffusion import NoiseSchedule
from pdm_tf.errors import InputError
from pdm_tf.guidance import classifier


@pytest.mark.parametrize(
    ("count", "conditions", "reason"),
    [
        (0, None, "has no classes"),
        (2, Conditions(2, True, ()), "leads to one class"),
        (2, Conditions(2, False, (Attribute("age"),)), "leads to one class"),
        (0, Conditions(0, False, (Attribute("age"),)), "leads to one class"),
    ],
)
def test_a_base_without_one_class_is_refused(count, conditions, reason):
    base = CallbackDenoiser(None, (8, 8, 1), count, NoiseSchedule.linear())
    base.conditions = conditions
    with pytest.raises(InputError, match=reason) as refused:
        classifier.derive(base, classifier.Config(), None)
    assert "\n" not in str(refused.value)
