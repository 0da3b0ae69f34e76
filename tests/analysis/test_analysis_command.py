"""python -m pdm_tf.analysis: from one command to files, again, stopped, refused."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pdm_tf import assemble
from pdm_tf.analysis import __main__ as command
from pdm_tf.analysis import making, networks
from pdm_tf.config import AnalysisConfig, InputError

ROOT = Path(__file__).resolve().parents[2]
SMALL = dict.fromkeys((1, 2, 4, 8), (8, (1,), 1))
FLAGS = [
    "--image_shape=16,16,1",
    "--iterations=2",
    "--initial_iterations=10",
    "--training_batch=2",
    "--judged=4",
    "--pictures=20",
]


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(networks, "SIZES", SMALL)


@pytest.fixture
def trainings(monkeypatch):
    """Directories that a training was begun in, in order."""
    begun, train = [], assemble.train

    def noted(config):
        begun.append(Path(config.training.run_dir).name)
        return train(config)

    monkeypatch.setattr(assemble, "train", noted)
    return begun


def run(tmp_path, *words):
    return command.main(["analysis", *words, *FLAGS, f"--out={tmp_path}"])


@pytest.mark.slow
def test_one_command_trains_judges_and_writes_and_the_next_does_not_train(
    tmp_path, small, trainings, capsys
):
    assert run(tmp_path, "figure2") == 0
    assert len(trainings) == 3
    first = (tmp_path / "figure2.csv").read_bytes()
    said = capsys.readouterr().out
    assert "the paper" in said and "ratio_p8" in said
    assert said.count("found: ") == (tmp_path / "figure2.txt").read_text().count(
        "found"
    )
    assert (tmp_path / "figure2.png").stat().st_size > 1000
    assert run(tmp_path, "figure2") == 0
    assert len(trainings) == 3
    assert (tmp_path / "figure2.csv").read_bytes() == first


@pytest.mark.slow
def test_more_iterations_train_on_and_other_settings_are_refused(
    tmp_path, small, trainings
):
    config = AnalysisConfig(
        out=str(tmp_path), image_shape=(16, 16, 1), iterations=2, training_batch=2
    )
    making.obtain(networks.plan(config, 8))
    making.obtain(networks.plan(replace(config, iterations=3), 8))
    assert len(trainings) == 2
    with pytest.raises(InputError, match=r"learning_rate=0\.5"):
        making.obtain(networks.plan(replace(config, learning_rate=0.5), 8))
    assert len(trainings) == 2


def test_a_stopped_training_stops_the_command_and_goes_on(
    tmp_path, small, monkeypatch, capsys
):
    monkeypatch.setattr(assemble, "train", lambda config: False)
    assert run(tmp_path, "figure2") == command.STOPPED
    assert "goes on" in capsys.readouterr().out
    assert not list(tmp_path.glob("figure2*"))


def test_ctrl_c_amid_judging_leaves_no_halves(tmp_path, small, monkeypatch):
    from pdm_tf.analysis import figure2

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(figure2, "make", interrupted)
    assert run(tmp_path, "figure2") == command.STOPPED
    assert not list(tmp_path.glob("*figure2*"))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "the figure is missing"),
        (["figure9"], "figure1, figure2"),
        (["figure2", "--dataset=nowhere"], "^dataset=nowhere"),
        (["figure2", "--t=1000"], "^t=1000"),
        (["figure2", "--wide=2"], "--widen"),
    ],
)
def test_bad_input_is_named(tmp_path, words, expected):
    with pytest.raises(InputError, match=expected):
        command.main(["analysis", *words, f"--out={tmp_path}"])


def test_a_file_in_the_way_of_out_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"^out="):
        run(tmp_path / "file", "figure2")


def test_help_and_faults_of_the_program(tmp_path):
    def call(*words):
        return subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "pdm_tf.analysis", *words],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )

    helped = call("--help")
    assert helped.returncode == 0 and "figure4" in helped.stdout
    assert "tensorflow" not in helped.stderr and "matplotlib" not in helped.stderr
    wrong = call("figure5")
    assert wrong.returncode == 2
    assert [
        line for line in wrong.stderr.splitlines() if "import time" not in line
    ] == [
        "error: figure 'figure5': did you mean figure4? Or choose from figure1, "
        "figure2, figure3, figure4, table1, all"
    ]
