"""Features fit the data, and statistics belong to the weights that made them."""

from dataclasses import replace

import numpy as np
import pytest

from pdm_tf.config import EvaluationConfig, InputError
from pdm_tf.evaluation.choosing_features import (
    check_features,
    choose_features,
    features_for,
    identify,
)
from pdm_tf.evaluation.features import open_features
from pdm_tf.evaluation.locations import Location
from pdm_tf.evaluation.metrics.moments import FeatureGaussian
from pdm_tf.evaluation.set_metrics import MeasuredSet, explain_left_out
from pdm_tf.evaluation.statistics import Statistics

HERE = Location("reference", "s.npz", "npz", "s.npz")


def statistics(size: int, **known) -> Statistics:
    return Statistics(FeatureGaussian(np.zeros(size), np.eye(size)), None, **known)


@pytest.mark.parametrize(
    "shape, name",
    [((32, 32, 1), "digits"), ((28, 28, 1), "digits"), ((64, 64, 3), "random")],
)
def test_pictures_without_statistics_choose_by_their_shape(shape, name):
    assert features_for(shape) == name


@pytest.mark.parametrize("size, name", [(64, "digits"), (256, "random")])
def test_statistics_choose_what_made_them(size, name):
    stored = {"samples": None, "reference": statistics(size)}
    assert choose_features(EvaluationConfig(), stored, {}).name == name


def test_features_that_are_asked_for_are_taken():
    config = EvaluationConfig(features="random")
    stored = {"samples": statistics(64)}
    assert choose_features(config, stored, {}).name == "random"


def test_statistics_belong_to_weights_and_not_to_a_name():
    extractor = open_features("digits")
    mine = statistics(64, features="digits", extractor=identify(extractor))
    check_features(HERE, mine, extractor)
    check_features(HERE, replace(mine, extractor=None), extractor)  # of before
    with pytest.raises(InputError, match="other weights of the digits features"):
        check_features(HERE, replace(mine, extractor="0" * 64), extractor)
    with pytest.raises(InputError, match="features of random, `features=digits` gives"):
        check_features(HERE, replace(mine, features="random"), extractor)


def test_distances_that_the_counts_forbid_are_left_out_with_a_reason():
    extractor = open_features("digits")
    many, few = (MeasuredSet(statistics(64, count=n)) for n in (113, 112))
    assert explain_left_out(many, many, extractor) == {}
    for pair in ((few, many), (many, few)):
        (name, why), *more = explain_left_out(*pair, extractor).items()
        assert (name, more) == ("sFD (digits)", [])
        assert why.startswith("112 ") and "113 at least" in why
    assert "FD (digits)" in explain_left_out(
        MeasuredSet(statistics(64, count=64)), many, extractor
    )
