"""The report: JSON that any reader takes, a table, warnings, nothing half written."""

import json
import os

import numpy as np
import pytest

from pdm_tf.config import EvaluationConfig, InputError
from pdm_tf.evaluation import report
from pdm_tf.evaluation.bootstrap import Metric
from pdm_tf.evaluation.metrics.moments import FeatureGaussian
from pdm_tf.evaluation.set_metrics import MeasuredSet, name_metrics
from pdm_tf.evaluation.statistics import Statistics, is_statistics, save_statistics

NAN = float("nan")


def measured(count: int | None) -> MeasuredSet:
    return MeasuredSet(Statistics(FeatureGaussian(np.zeros(2), np.eye(2)), None, count))


def warnings(samples: int | None, reference: int | None) -> str:
    config = EvaluationConfig()
    sets = measured(samples), measured(reference)
    return " / ".join(report.find_warnings(*sets, config))


def test_json_holds_no_nan(tmp_path):
    path = tmp_path / "e.json"
    made = {"a": Metric(1.5, NAN, None), "b": [NAN, 2], 3: (float("inf"), "x")}
    report.write_report(str(path), made)
    read = json.loads(path.read_text(), parse_constant=pytest.fail)
    metric = {"value": 1.5, "low": None, "high": None}
    assert read == {"a": metric, "b": [None, 2], "3": [None, "x"]}


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


def test_only_inception_gives_a_fid():
    names = {"frechet": "FID", "spatial": "sFID", "score": "IS"}
    assert name_metrics("inception").items() >= names.items()
    for features in ("digits", "random"):
        assert not any("FID" in name for name in name_metrics(features).values())


@pytest.mark.parametrize("setting", ["out", "save_statistics"])
def test_what_cannot_be_written_is_found_before_the_work(tmp_path, setting):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path in (tmp_path, tmp_path / "file" / "e.json", tmp_path / "loop"):
        with pytest.raises(InputError, match=f"^{setting}="):
            report.check_writable(setting, str(path))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="is a pipe"):  # nobody may ever read it
        report.check_writable(setting, str(tmp_path / "pipe"))
    with pytest.raises(InputError, match=f"^{setting} is missing: name a file"):
        report.check_writable(setting, " ")
    report.check_writable(setting, str(tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("value", [-1e-9, -0.0, 0.0, -0.00004])
def test_nothing_is_minus_zero(value):
    shown = report._shown(Metric(value, value, 0.5))
    assert shown.split() == ["0.0000", "[0.0000,", "0.5000]"]


def test_what_no_evaluation_wrote_is_not_replaced(tmp_path):
    mine, pictures = tmp_path / "notes.txt", tmp_path / "pictures.npz"
    mine.write_text("mine")
    np.savez(pictures, np.zeros((2, 8, 8, 1), np.uint8))
    report.write_report(tmp_path / "e.json", {"versions": {}, "settings": {}})
    save_statistics(
        str(tmp_path / "s.npz"),
        Statistics(FeatureGaussian(np.zeros(2), np.eye(2)), None),
    )
    report.check_writable("out", str(tmp_path / "e.json"), report.is_report)
    report.check_writable("save_statistics", str(tmp_path / "s.npz"), is_statistics)
    for setting, path, ours in (
        ("out", mine, report.is_report),
        ("out", pictures, report.is_report),
        ("save_statistics", mine, is_statistics),
        ("save_statistics", pictures, is_statistics),
        ("save_statistics", tmp_path / "e.json", is_statistics),
    ):
        with pytest.raises(InputError, match=f"^{setting}=.*is something else"):
            report.check_writable(setting, str(path), ours)
