"""Processes of train.py under closed streams, closed terminals, and beside readers."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny_runs import SMALLEST

from pdm_tf.training.checkpoint_files import numbers

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def command(tmp_path):
    flagfile = tmp_path / "flags"
    flagfile.write_text(SMALLEST)
    words = [f"--flagfile={flagfile}", f"--run_dir={tmp_path / 'run'}"]
    return " ".join([sys.executable, "train.py", *words])


def shell(line):
    return subprocess.run(
        ["bash", "-c", line], cwd=ROOT, capture_output=True, text=True
    )


@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&- >&- 2>&-", "| head -c 0"])
def test_whoever_stops_reading_a_training_ends(command, tmp_path, closed):
    pipe = "set -o pipefail; "
    done = shell(f"{pipe}{command} --iterations=20 {closed}")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    assert numbers(tmp_path / "run" / "checkpoints")[0] == 20


def started(command):
    return subprocess.Popen(
        command.split(),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Shells shield what they run in the background; this is as at a terminal.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def test_a_closed_terminal_saves_and_ends_well(command, tmp_path):
    process = started(command + " --iterations=1000000")
    while not numbers(tmp_path / "run" / "checkpoints"):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGHUP)
    said, wrong = process.communicate(timeout=60)
    assert process.returncode == 0, wrong[-2000:]
    assert "stopped; step " in said and "Traceback" not in wrong


def test_ctrl_c_before_the_first_step_is_one_line(command, tmp_path):
    process = started(command + " --iterations=1000000")
    for line in process.stderr:
        if line.startswith("opening"):
            break
    os.killpg(process.pid, signal.SIGINT)
    _, wrong = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Traceback" not in wrong


def test_exports_beside_a_trainer_that_keeps_one_checkpoint(command, tmp_path):
    trainer = started(command + " --iterations=1000000 --keep=1 --save_every=3")
    run_dir = tmp_path / "run"
    while not numbers(run_dir / "checkpoints"):
        assert trainer.poll() is None
        time.sleep(0.05)
    code = (
        "import sys; from pdm_tf.assemble.models import open_model\n"
        "for _ in range(20): open_model(sys.argv[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(run_dir)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    trainer.send_signal(signal.SIGTERM)
    trainer.communicate(timeout=60)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "damaged" not in done.stderr
