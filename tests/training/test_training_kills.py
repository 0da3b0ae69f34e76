"""Whole trainings killed at any moment, alone and together, end as if they were not."""

import os
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
KILLS = int(os.environ.get("KILLS", "50"))

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
    apart = {name: np.max(np.abs(v - two[name])) for name, v in one.items()}
    worst = np.max(list(apart.values()))  # also where it is no number
    print("largest difference", worst)
    assert worst <= atol, apart


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


SERVER = """
import os, signal, sys, time
import numpy as np
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, ".")
import pdm_tf.assemble.training, pdm_tf.export, train  # once for all children
from pdm_tf import flags

run_dir, whole, kills, *given = sys.argv[1:]
newest = run_dir + "/checkpoints/manifest.json"
rng = np.random.default_rng(0)

def saved():
    return os.path.exists(newest) and os.stat(newest).st_mtime_ns

def begin(directory, iterations):
    child = os.fork()
    if child:
        return child
    sys.argv = ["train.py", *given, f"--run_dir={directory}"]
    sys.argv.append(f"--iterations={iterations}")
    try:
        flags.run(train.main)
    except SystemExit as end:
        os._exit(end.code)
    except BaseException as error:
        print("child:", repr(error), flush=True)
    os._exit(1)

for kill in range(int(kills)):
    child, before = begin(run_dir, 10**6), saved()
    if kill % 5:  # the others die wherever they are, most while they start
        while saved() == before and os.waitpid(child, os.WNOHANG) == (0, 0):
            time.sleep(0.005)
    time.sleep(rng.uniform(0, 0.5))
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), status
    print("killed", flush=True)
last = 10 + int(open(newest).read().partition('"step": ')[2].split(",")[0])
for directory in (run_dir, whole):
    _, status = os.waitpid(begin(directory, last), 0)
    print("ended", os.waitstatus_to_exitcode(status), last, flush=True)
"""


def test_kills_at_random_moments_change_no_bit(flagfile, tmp_path):
    """Each life is train.py's own, in a child of a process that has TensorFlow read."""
    run_dir, whole = tmp_path / "killed", tmp_path / "whole"
    words = [run_dir, whole, KILLS, f"--flagfile={flagfile}", "--save_every=2"]
    done = subprocess.run(
        [sys.executable, "-c", SERVER, *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-3000:]
    assert said.count("killed\n") == KILLS
    assert said.count("ended 0 ") == 2
    assert "damaged" not in said and "Traceback" not in said, said[-3000:]
    assert said.count("resuming") >= KILLS // 2
    print([line for line in said.splitlines() if line.startswith("ended")])
    assert_same(whole, run_dir)


def test_kills_of_whole_processes_change_no_bit(flagfile, tmp_path):
    flags = ("--iterations=60", "--save_every=2")
    rng, run_dir = np.random.default_rng(0), tmp_path / "killed"
    for _ in range(3):
        before, process = saved(run_dir), start(flagfile, run_dir, *flags)
        wait_for(lambda before=before: saved(run_dir) != before, process)
        time.sleep(rng.uniform(0, 0.2))
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


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """What two workers make of 60 steps in one go."""
    folder = tmp_path_factory.mktemp("together")
    (folder / "small.flags").write_text(FLAGS)
    finish(*together(folder / "small.flags", folder / "whole"))
    return folder / "whole"


@pytest.mark.parametrize("killed", [1, 0], ids=["worker", "chief"])
def test_one_killed_and_all_started_again_end_the_same(
    flagfile, tmp_path, uninterrupted, killed
):
    run_dir = tmp_path / "run"
    workers = together(flagfile, run_dir)
    wait_for(lambda: saved(run_dir), *workers)
    workers[killed].kill()
    (said,) = finish(workers[1 - killed], code=75)
    assert "start the same commands again" in said
    again = finish(*together(flagfile, run_dir))
    assert "resuming" in again[0]
    assert_same(uninterrupted, run_dir, atol=1e-6)


def test_sigterm_to_one_worker_saves_for_all(flagfile, tmp_path, uninterrupted):
    run_dir = tmp_path / "run"
    workers = together(flagfile, run_dir)
    wait_for(lambda: saved(run_dir), *workers)
    workers[1].send_signal(signal.SIGTERM)
    for said in finish(*workers):
        assert f"the same command resumes {run_dir}" in said
    again = finish(*together(flagfile, run_dir))
    assert "resuming" in again[0]
    assert_same(uninterrupted, run_dir, atol=1e-6)


def test_workers_together_end_as_one_alone(flagfile, tmp_path, uninterrupted):
    finish(start(flagfile, tmp_path / "one", "--iterations=60"))
    assert_same(tmp_path / "one", uninterrupted, atol=1e-5)


def test_two_devices_stop_and_go_on_as_one_device_in_one_go(flagfile, tmp_path):
    two, one = tmp_path / "two", tmp_path / "one"
    devices = ("--strategy=mirrored", "--devices=CPU:0,CPU:1")
    finish(start(flagfile, two, *devices, "--iterations=10"))
    (said,) = finish(start(flagfile, two, *devices, "--iterations=20"))
    assert f"resuming {two} at step 10" in said
    finish(start(flagfile, one, "--iterations=20"))
    assert_same(one, two, atol=1e-5)
