"""Whole trainings killed at any moment, alone and together, end as if they were not."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from test_training_distribution import environments

ROOT = Path(__file__).resolve().parents[2]
FLAGS = """
--dataset=mnist
--width=36
--channel_multipliers=1
--blocks_per_level=1
--attention_resolutions=
--patch_size=8
--batch_size=4
--clip_norm=1
--warmup=5
--ema_every=3
--sample_every=0
--steps_per_call=2
--noexport
"""
KILLS = 50

pytestmark = [pytest.mark.slow, pytest.mark.timeout(5400)]


@pytest.fixture
def flagfile(tmp_path):
    path = tmp_path / "small.flags"
    path.write_text(FLAGS)
    return path


def variables(run_dir):
    """Everything in a run's newest checkpoint, by name."""
    reader = tf.train.load_checkpoint(str(run_dir / "checkpoints"))
    names = reader.get_variable_to_shape_map()
    return {n: reader.get_tensor(n) for n in names if not n.startswith("_CHECK")}


def assert_same(a, b, atol=0.0):
    one, two = variables(a), variables(b)
    assert one.keys() == two.keys()
    for name, value in one.items():
        np.testing.assert_allclose(value, two[name], rtol=0, atol=atol, err_msg=name)


def start(flagfile, run_dir, *flags, env=None):
    command = [sys.executable, "train.py", f"--flagfile={flagfile}"]
    return subprocess.Popen(
        [*command, f"--run_dir={run_dir}", *flags],
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(*processes, code=0):
    """Waits for all; returns what they said."""
    said = [process.communicate(timeout=900)[0] for process in processes]
    for process, text in zip(processes, said, strict=True):
        assert process.returncode == code, text[-3000:]
    return said


def wait_for(found, *processes):
    while not found():
        assert all(process.poll() is None for process in processes), [
            process.communicate()[0][-2000:] for process in processes
        ]
        time.sleep(0.01)


def saved(run_dir):
    """When the newest checkpoint was finished."""
    path = run_dir / "checkpoints" / "manifest.json"
    return path.exists() and path.stat().st_mtime_ns


def test_kills_at_random_moments_change_no_bit(flagfile, tmp_path):
    flags = ("--iterations=600", "--save_every=2")
    rng, run_dir = np.random.default_rng(0), tmp_path / "killed"
    for kill in range(KILLS):
        before, process = saved(run_dir), start(flagfile, run_dir, *flags)
        if kill % 5:  # the others die wherever they are, most while they start
            wait_for(lambda before=before: saved(run_dir) != before, process)
        time.sleep(rng.uniform(0, 1.0))
        process.kill()
        said, _ = process.communicate()
        assert process.returncode == -signal.SIGKILL, said[-2000:]
        assert "Traceback" not in said and "damaged" not in said, said[-2000:]
    finish(start(flagfile, run_dir, *flags))
    finish(start(flagfile, tmp_path / "whole", *flags))
    assert_same(tmp_path / "whole", run_dir)


def together(flagfile, run_dir, count=2):
    flags = ("--strategy=multi_worker", "--iterations=60", "--save_every=6")
    return [start(flagfile, run_dir, *flags, env=env) for env in environments(count)]


def test_a_worker_killed_and_all_started_again_end_the_same(flagfile, tmp_path):
    whole, run_dir = tmp_path / "whole", tmp_path / "run"
    finish(*together(flagfile, whole))
    workers = together(flagfile, run_dir)
    wait_for(lambda: saved(run_dir), *workers)
    workers[1].kill()
    (said,) = finish(workers[0], code=75)
    assert "start the same commands again" in said
    again = finish(*together(flagfile, run_dir))
    assert "resuming" in again[0]
    assert_same(whole, run_dir, atol=1e-6)


def test_sigterm_to_one_worker_saves_for_all(flagfile, tmp_path):
    run_dir = tmp_path / "run"
    workers = together(flagfile, run_dir)
    wait_for(lambda: saved(run_dir), *workers)
    workers[1].send_signal(signal.SIGTERM)
    for said in finish(*workers):
        assert f"the same command resumes {run_dir}" in said
    finish(*together(flagfile, run_dir))
    whole = tmp_path / "whole"
    finish(start(flagfile, whole, "--iterations=60"))
    assert_same(whole, run_dir, atol=1e-5)


def test_two_devices_stop_and_go_on_as_one_device_in_one_go(flagfile, tmp_path):
    two, one = tmp_path / "two", tmp_path / "one"
    devices = ("--strategy=mirrored", "--devices=CPU:0,CPU:1")
    finish(start(flagfile, two, *devices, "--iterations=10"))
    (said,) = finish(start(flagfile, two, *devices, "--iterations=20"))
    assert f"resuming {two} at step 10" in said
    finish(start(flagfile, one, "--iterations=20"))
    assert_same(one, two, atol=1e-5)
