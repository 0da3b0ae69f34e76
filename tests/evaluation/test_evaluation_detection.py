"""The area under the receiver's curve."""

import numpy as np
import pytest

from pdm_tf.evaluation.metrics import auroc


def test_it_is_the_share_of_pairs_in_the_right_order():
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 6, 60).astype(float)  # with ties
    positive = rng.random(60) < 0.4
    pairs = [
        (a > b) + 0.5 * (a == b) for a in scores[positive] for b in scores[~positive]
    ]
    assert auroc(scores, positive) == pytest.approx(np.mean(pairs))
    assert auroc(np.exp(scores), positive) == auroc(scores, positive)
    assert auroc(-scores, positive) == pytest.approx(1 - auroc(scores, positive))
    assert auroc(positive * 1.0, positive) == 1.0


def test_one_kind_alone_has_none():
    with pytest.raises(ValueError, match="both kinds"):
        auroc(np.zeros(3), np.ones(3, bool))
