"""Any number of devices, processes or parts of a batch gives the same training."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pdm_tf.config import InputError
from pdm_tf.training.batch_sharding import check_batch_sharding
from pdm_tf.training.distribution import choose_strategy

ROOT = Path(__file__).resolve().parents[2]
WAYS = ROOT / "tests" / "ways.py"


def free_ports(count):
    """Ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def environments(count):
    """What tells each of some workers of the others."""
    workers = [f"127.0.0.1:{port}" for port in free_ports(count)]
    for index in range(count):
        task = {"type": "worker", "index": index}
        config = {"cluster": {"worker": workers}, "task": task}
        paths = f"{ROOT}:{ROOT / 'tests' / 'training'}"
        own = {"TF_CONFIG": json.dumps(config), "PYTHONPATH": paths}
        yield {**os.environ, **own, "CUDA_VISIBLE_DEVICES": ""}


def train(out, *ways):
    """Numbers of trainings, each in its own way, in one process."""
    done = subprocess.run(
        [sys.executable, str(WAYS), str(out), *ways],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return {way: dict(np.load(out / f"{way}.npz")) for way in ways}


def assert_same(a, b, atol=1e-5):
    assert a.keys() == b.keys()
    for name, value in a.items():
        # Metrics are sums over 20 steps.
        rtol = 1e-4 if name.startswith("metric") else 0
        np.testing.assert_allclose(value, b[name], rtol, atol, err_msg=name)


@pytest.fixture(scope="module")
def ways(tmp_path_factory):
    """On one device, on two, and on two with all else that must change nothing."""
    return train(tmp_path_factory.mktemp("ways"), "one", "both")


def test_twenty_steps_are_the_same_in_every_way(ways):
    assert_same(ways["one"], ways["both"])
    assert ways["both"]["step"] == 20


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_twenty_steps_are_the_same_in_still_other_ways(ways, tmp_path):
    for numbers in train(tmp_path, "mirrored2", "mirrored4", "micro", "remat").values():
        assert_same(ways["one"], numbers)


def train_together(out, count):
    """Numbers of each of some processes that train together."""
    processes = [
        subprocess.Popen(
            [sys.executable, str(WAYS), str(out), "multi_worker"],
            cwd=ROOT,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for environment in environments(count)
    ]
    said = [process.communicate(timeout=800)[1] for process in processes]
    for process, text in zip(processes, said, strict=True):
        assert process.returncode == 0, text[-3000:]
    return [dict(np.load(out / f"worker{i}.npz")) for i in range(count)]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("count", [2, 3])
def test_processes_together_train_as_one(ways, tmp_path, count):
    for worker in train_together(tmp_path, count):
        assert_same(ways["one"], worker)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_workers_read_every_picture_once_an_epoch(count):
    from ways import source

    from pdm_tf.data.pipeline import training_batches

    pictures, batch = source(60), 6
    seen = []
    for index in range(count):
        data = training_batches(pictures, batch, 7, shard=(index, count)).take(20)
        seen.append([x.numpy() for x, _ in data])  # two epochs
    for epoch in range(2):
        steps = range(10 * epoch, 10 * epoch + 10)
        read = np.concatenate([worker[step] for step in steps for worker in seen])
        names = sorted(x.tobytes() for x in read)
        assert names == sorted(x.tobytes() for x in pictures.pictures)


def test_shares_that_are_not_equal_are_refused_with_a_better_number():
    with pytest.raises(InputError, match=r"^batch_size=10.*give 9"):
        check_batch_sharding(3, 10, 0)
    with pytest.raises(InputError, match=r"^microbatch=3.*divide the 4"):
        check_batch_sharding(2, 8, 3)
    check_batch_sharding(2, 8, 2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("mirrored", "GPU:7"), "devices=GPU:7: GPU:7; give some of CPU:0"),
        (("mirrored", "CPU:0,CPU:0"), "devices"),
        (("default", "CPU:0"), "devices=CPU:0: is for `strategy=mirrored"),
        (("multi_worker",), "TF_CONFIG"),
        (("tpu", "", "nowhere"), "tpu=nowhere"),
        (("tpu", "", "local"), "tpu=local"),
    ],
)
def test_devices_that_are_not_there_are_refused(settings, message, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(InputError, match=message):
        choose_strategy(*settings)


@pytest.mark.parametrize("text", ["{}", "no json", '{"cluster": {"worker": []}}'])
def test_a_broken_list_of_workers_is_refused(text, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(InputError, match="TF_CONFIG"):
        choose_strategy("multi_worker")
