"""Who is shown a training: the same to all, offline, and none can end it."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.util.event_pb2 import Event

from pdm_tf.config import InputError
from pdm_tf.training.report_writers import AllReports, open_reports

SHEET = np.zeros([4, 6, 3], np.uint8)


class Fake:
    """Stands for a package: every call of it is noted."""

    def __init__(self):
        self.calls = []
        self.info = SimpleNamespace(run_id="known again")
        self.config = SimpleNamespace(update=self._noting("config.update"))

    def _noting(self, name):
        def note(*given, **named):
            self.calls.append((name, given, named))
            return self

        return note

    def __getattr__(self, name):
        return self._noting(name)


def show(reports):
    reports.text(0, "settings", "--width=8")
    reports.scalars(7, {"loss/simple": 0.5, "learning_rate": 1e-3})
    reports.picture(7, "samples", SHEET)
    reports.close()


def named(fake, name):
    return [(given, kept) for called, given, kept in fake.calls if called == name]


def test_tensorboard_has_curves_pictures_and_texts(tmp_path):
    show(open_reports(["tensorboard"], tmp_path))
    (file,) = (tmp_path / "logs").iterdir()
    records = tf.data.TFRecordDataset(str(file))
    events = [Event.FromString(record.numpy()) for record in records]
    found = {value.tag: event.step for event in events for value in event.summary.value}
    assert found["loss/simple"] == found["learning_rate"] == 7
    assert found["settings"] == 0 and found["samples"] == 7


def test_weights_and_biases_gets_the_same_and_resumes(tmp_path, monkeypatch):
    fake = Fake()
    monkeypatch.setitem(sys.modules, "wandb", fake)
    show(open_reports(["wandb"], tmp_path))
    show(open_reports(["wandb"], tmp_path))
    first, again = (kept for _, kept in named(fake, "init"))
    assert first == again and first["resume"] == "allow"
    assert first["dir"] == str(tmp_path)
    logged = named(fake, "log")
    curves = {"loss/simple": 0.5, "learning_rate": 1e-3}
    assert logged[0] == ((curves,), {"step": 7})
    assert logged[1][0][0].keys() == {"samples"} and len(named(fake, "finish")) == 2
    (texts,), kept = named(fake, "config.update")[0]
    assert texts == {"settings": "--width=8"} and kept["allow_val_change"]


def test_mlflow_gets_the_same_and_resumes(tmp_path, monkeypatch):
    fake = Fake()
    monkeypatch.setitem(sys.modules, "mlflow", fake)
    show(open_reports(["mlflow"], tmp_path))
    show(open_reports(["mlflow"], tmp_path))
    (_, first), (_, again) = named(fake, "start_run")
    assert first == {"run_name": tmp_path.name}
    assert again == {"run_id": "known again"}
    (values,), kept = named(fake, "log_metrics")[0]
    assert values["loss/simple"] == 0.5 and kept == {"step": 7}
    assert named(fake, "log_text")[0][0] == ("--width=8", "settings.md")
    assert named(fake, "log_image")[0][0][1] == "samples/step_000007.png"
    assert len(named(fake, "end_run")) == 2


def test_a_service_that_is_away_ends_no_training_and_stops_no_other(capsys):
    fake = Fake()
    away = SimpleNamespace(
        **dict.fromkeys(("scalars", "picture", "text", "close"), lambda *_: 1 / 0)
    )
    show(AllReports({"wandb": away, "other": fake}))
    assert [name for name, *_ in fake.calls] == ["text", "scalars", "picture", "close"]
    assert capsys.readouterr().err.count("warning: wandb was not written to") == 4


def test_a_name_of_nobody_is_refused(tmp_path):
    with pytest.raises(InputError, match="reports=paper: paper is none of tensorboard"):
        open_reports(["paper"], tmp_path)
