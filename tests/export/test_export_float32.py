"""A network of mixed precision is written, and compared, as it is in float32."""

from dataclasses import replace

import numpy as np
import tensorflow as tf
from tiny_models import SHAPE, Scaled, small_network

import pdm_tf as pdm
from pdm_tf.denoisers import NetworkDenoiser
from pdm_tf.export.float32 import in_float32
from pdm_tf.networks import PatchedUNet


def test_weights_and_plan_stay_and_numbers_are_those_of_float32():
    given = small_network()
    config = replace(given.config, precision="mixed_bfloat16")
    mixed = PatchedUNet(config)
    mixed.set_weights(given.get_weights())
    schedule = pdm.NoiseSchedule.linear()
    plan = {"down_0_0/conv_in": Scaled()}
    wanted = NetworkDenoiser(given, schedule, plan=plan)
    found = in_float32(NetworkDenoiser(mixed, schedule, plan=plan))
    assert found.variables.keys() == wanted.variables.keys()
    z = tf.random.stateless_normal([2, *SHAPE], [0, 0])
    level = schedule.level([3, 900])
    labels = tf.constant([0, 2])
    np.testing.assert_array_equal(
        found.conditioned(labels)(z, level).x, wanted.conditioned(labels)(z, level).x
    )
    assert in_float32(wanted) is wanted
