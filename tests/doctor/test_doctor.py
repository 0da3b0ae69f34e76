"""The doctor finds what would stop a run, and estimates what one would cost."""

import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from pdm_tf.profiling.memory import peak_bytes

ROOT = Path(__file__).resolve().parents[2]
FLAGS = """
--dataset=mnist
--num_classes=10
--width=8
--channel_multipliers=1,2
--blocks_per_level=1
--attention_resolutions=8,5
--batch_size=4
--sample_images=2
"""


def consult(tmp_path, *flags):
    path = tmp_path / "small.flags"
    path.write_text(FLAGS)
    command = [sys.executable, "-m", "pdm_tf.doctor", f"--flagfile={path}"]
    return subprocess.run(
        [*command, f"--run_dir={tmp_path / 'run'}", *flags],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_a_run_that_works_is_called_ready(tmp_path):
    done = consult(tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = done.stdout.splitlines()
    assert lines[-1].startswith("ready")
    names = {line[:17].strip() for line in lines}
    assert names >= {
        "data",
        "level 0",
        "level 1",
        "attention",
        "precision",
        "parameters",
        "memory, training",
        "memory, samples",
        "training step",
        "two-step sample",
        "save, restore",
        "whole run",
    }
    assert "64 decoded" in done.stdout
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_settings_that_do_not_fit_are_one_line(tmp_path):
    done = consult(tmp_path, "--image_shape=30,30,1")
    assert done.returncode == 2
    assert "28 or 32" in done.stderr
    assert "Traceback" not in done.stderr


def traced(function, *shape):
    spec = tf.TensorSpec(shape, tf.float32)
    return tf.function(function, autograph=False).get_concrete_function(spec)


MIB = 2**18  # floats


@pytest.mark.parametrize(
    ("work", "expected"),
    [
        (lambda x: tf.nn.relu(tf.sin(x)), 2),  # both live while the second is made
        (lambda x: tf.reshape(tf.sin(x), [-1, 4]), 1),
        (lambda x: tf.sqrt(tf.square(tf.sin(x))), 1),  # written over each other
        (lambda x: tf.concat([tf.sin(x), tf.cos(x)], 0), 4),
        (lambda x: tf.reduce_sum(tf.sin(x)), 1),
    ],
)
def test_memory_of_simple_graphs(work, expected):
    assert peak_bytes(traced(work, MIB)) / 2**20 == pytest.approx(expected, abs=0.01)


def test_memory_of_products_holds_what_they_lay_out_anew():
    square = tf.ones([512, 512])  # a MiB, as is the result
    found = peak_bytes(traced(lambda x: tf.reduce_sum(x @ square), 512, 512))
    assert found / 2**20 == pytest.approx(3, abs=0.01)


def test_memory_of_what_waits_for_weights_alone_is_held_from_the_start():
    weights = [tf.Variable(tf.ones([MIB])) for _ in range(3)]

    def work(x):
        for w in weights:  # halves of a MiB, all of them cast before x is touched
            x = tf.sin(x) * tf.cast(tf.cast(w, tf.bfloat16), tf.float32)
        return tf.reduce_sum(x)

    assert peak_bytes(traced(work, MIB)) / 2**20 >= 3


def test_memory_of_functions_called_is_counted():
    inner = tf.function(lambda x: tf.reduce_sum(tf.nn.relu(tf.sin(x))), autograph=False)
    assert peak_bytes(traced(lambda x: inner(x) + 1.0, MIB)) / 2**20 >= 2


WIDE = """
--image_shape=64,64,3
--patch_size=4
--width=64
--channel_multipliers=1,2
--blocks_per_level=2
--attention_resolutions=16
"""


SMALL = [
    (network, work, batch)
    for network in ("mnist", "photos", "wide")
    for work in ("train", "sample")
    for batch in (4, 16, 64)
]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("network", "work", "batch"),
    [*SMALL, ("lsun_church_p8", "train", 2), ("lsun_church_p8", "sample", 4)],
)
def test_the_estimate_of_memory_is_what_a_run_takes(tmp_path, network, work, batch):
    path = ROOT / "configs" / f"{network}.flags"
    if network == "wide":
        path = tmp_path / "wide.flags"
        path.write_text(WIDE)
    module = "pdm_tf.doctor.measured_memory"
    done = subprocess.run(
        [sys.executable, "-m", module, str(path), work, str(batch)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    estimate, measured = map(int, done.stdout.splitlines()[-1].split()[:2])
    print(network, work, batch, estimate, measured)
    assert estimate == pytest.approx(measured, rel=0.15)
