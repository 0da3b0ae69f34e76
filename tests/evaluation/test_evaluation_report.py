"""The report: JSON that any reader takes, a table, warnings, nothing half written."""

import json

import numpy as np
import pytest

from pdm_tf.config import EvaluationConfig, InputError
from pdm_tf.evaluation import report
from pdm_tf.evaluation.bootstrap import Figure
from pdm_tf.evaluation.figures import Judged, name_figures
from pdm_tf.evaluation.metrics.moments import FeatureGaussian
from pdm_tf.evaluation.statistics import Statistics

NAN = float("nan")


def judged(count: int | None) -> Judged:
    return Judged(Statistics(FeatureGaussian(np.zeros(2), np.eye(2)), None, count))


def warnings(samples: int | None, reference: int | None) -> str:
    config = EvaluationConfig()
    sides = judged(samples), judged(reference)
    return " / ".join(report.find_warnings(*sides, (64, 112), config))


def test_json_holds_no_nan(tmp_path):
    path = tmp_path / "e.json"
    made = {"a": Figure(1.5, NAN, None), "b": [NAN, 2], 3: (float("inf"), "x")}
    report.write_report(str(path), made)
    read = json.loads(path.read_text(), parse_constant=pytest.fail)
    figure = {"value": 1.5, "low": None, "high": None}
    assert read == {"a": figure, "b": [None, 2], "3": [None, "x"]}


def test_failed_report_leaves_the_old_one(tmp_path):
    path = tmp_path / "e.json"
    report.write_report(str(path), {"old": 1})
    with pytest.raises(TypeError):
        report.write_report(str(path), {"new": object()})
    assert json.loads(path.read_text()) == {"old": 1}


@pytest.mark.parametrize("count", [10_000, 50_000])
def test_usual_and_equal_counts_need_no_warning(count):
    assert warnings(count, count) == ""


def test_unusual_unequal_and_unknown_counts():
    assert "9,999 samples; published" in warnings(9_999, 9_999)
    assert "10,000 samples, 50,000 pictures of reference" in warnings(10_000, 50_000)
    assert "an unknown number of pictures" in warnings(10_000, None)
    assert "100 reference for 112 features" in warnings(10_000, 100)


def test_only_inception_gives_a_fid():
    names = {"frechet": "FID", "spatial": "sFID", "score": "IS"}
    assert name_figures("inception").items() >= names.items()
    for features in ("digits", "random"):
        assert not any("FID" in name for name in name_figures(features).values())


@pytest.mark.parametrize("flag", ["out", "save_statistics"])
def test_unwritable_places_are_found_before_the_work(tmp_path, flag):
    (tmp_path / "file").write_text("mine")
    for path in (tmp_path, tmp_path / "file" / "e.json"):
        with pytest.raises(InputError, match=f"^{flag}="):
            report.check_writable(flag, str(path))
    report.check_writable(flag, str(tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "mine"
