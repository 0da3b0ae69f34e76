"""Checkpoints survive: kills, flipped bits, full disks, strangers."""

import json
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from pdm_tf.config import InputError
from pdm_tf.training import manifest as manifests
from pdm_tf.training.averages import load_average
from pdm_tf.training.checkpoints import Checkpoints, NotSaved
from pdm_tf.training.ema import MovingAverage
from pdm_tf.training.lock import locked
from pdm_tf.training.optimizer import Adam
from pdm_tf.training.rates import LearningRate

ROOT = Path(__file__).resolve().parents[2]
DATA = {"name": "digits", "pictures": 7, "classes": ["a"], "probe": "01"}


class Toy:
    """A state whose every number is a function of the step."""

    def __init__(self, run_dir, size=40, keep=3, data=DATA, rate=None, **adam):
        tf.random.set_seed(0)
        self.w = {"unet/w": tf.Variable(tf.zeros([size])), "unet/b": tf.Variable(1.0)}
        self.step = tf.Variable(0, dtype=tf.int64)
        self.adam = Adam(self.w, rate or LearningRate(1e-2, 3), **adam)
        self.ema = MovingAverage(self.w, every=1)
        self.directory = Path(run_dir) / "checkpoints"
        self.saved = Checkpoints(
            self.directory, self.w, self.adam, self.ema, self.step, keep, None, data
        )

    def train(self, steps):
        for _ in range(steps):
            wave = tf.sin(tf.cast(self.step, tf.float32) + self.w["unet/w"] + 1.0)
            self.adam.apply([wave, tf.reduce_sum(wave)], self.step)
            self.ema.update(self.step.assign_add(1))
        return self

    def numbers(self):
        parts = [*self.w.values(), *self.ema.weights.values(), *self.adam.m.values()]
        return np.concatenate([np.ravel(v.numpy()) for v in parts])

    def run(self, every, until):
        """Trains and saves as a run does."""
        while int(self.step) < until:
            self.train(every).saved.save()


def contents(folder):
    return {p: p.read_bytes() for p in Path(folder).rglob("*") if p.is_file()}


@pytest.fixture
def run_dir(tmp_path):
    Toy(tmp_path / "run").run(10, 30)
    return tmp_path / "run"


def test_a_restored_run_goes_on_bit_for_bit(run_dir, tmp_path):
    again = Toy(run_dir)
    assert again.saved.restore()
    whole = Toy(tmp_path / "other").train(30)
    np.testing.assert_array_equal(again.numbers(), whole.numbers())
    np.testing.assert_array_equal(again.train(5).numbers(), whole.train(5).numbers())


def test_the_last_few_are_kept_and_nothing_else(run_dir):
    toy = Toy(run_dir)
    toy.saved.restore()
    toy.run(10, 60)
    kinds = ("data-00000-of-00001", "index", "json")
    expected = {f"ckpt-{n}.{kind}" for n in (40, 50, 60) for kind in kinds}
    found = {p.name for p in toy.directory.iterdir()}
    assert found == expected | {"checkpoint", "manifest.json"}
    assert tf.train.latest_checkpoint(str(toy.directory)).endswith("ckpt-60")


def test_a_flipped_bit_or_a_lost_end_is_always_noticed(run_dir, capsys):
    """Of 100 damages of the newest checkpoint each one leads to the one before."""
    rng = np.random.default_rng(0)
    directory = run_dir / "checkpoints"
    files = [*sorted(directory.glob("ckpt-30.*")), directory / "manifest.json"]
    files += [directory / "checkpoint"]
    good, expected = contents(directory), Toy(run_dir).train(20).numbers()
    newest = Toy(run_dir).train(30).numbers()
    toy = Toy(run_dir)
    for case in range(100):
        path = files[case % len(files)]
        data = bytearray(good[path])
        if case % 2:
            data = data[: rng.integers(0, len(data))]
        else:
            data[rng.integers(0, len(data))] ^= 1 << int(rng.integers(0, 8))
        path.write_bytes(data)
        assert toy.saved.restore()
        said = capsys.readouterr().err
        if path.name.startswith("ckpt"):
            assert "ckpt-30 is damaged" in said and path.name in said, (case, said)
            assert "falls back to step 20" in said
            np.testing.assert_array_equal(toy.numbers(), expected, err_msg=str(case))
        else:  # copies, that restoring does without
            np.testing.assert_array_equal(toy.numbers(), newest, err_msg=str(case))
        path.write_bytes(good[path])
    assert contents(directory) == good


def test_damage_of_all_is_refused_and_nothing_is_begun_anew(run_dir):
    for path in (run_dir / "checkpoints").glob("ckpt-*.index"):
        path.write_bytes(path.read_bytes()[:-1])
    before = contents(run_dir)
    with pytest.raises(InputError, match=r"no checkpoint is whole: ckpt-30 .*`run"):
        Toy(run_dir).saved.restore()
    assert contents(run_dir) == before


def test_a_first_checkpoint_cut_off_means_a_fresh_start(run_dir):
    directory = run_dir / "checkpoints"
    for path in directory.iterdir():
        if path.name != "ckpt-10.json":
            path.unlink()
    assert not Toy(run_dir).saved.restore()


def test_after_damage_a_run_goes_on_and_mends_it(run_dir, tmp_path):
    index = run_dir / "checkpoints" / "ckpt-30.index"
    index.write_bytes(b"x" + index.read_bytes()[1:])
    toy = Toy(run_dir)
    toy.saved.restore()
    assert int(toy.step) == 20
    toy.run(10, 40)
    again = Toy(run_dir)
    again.saved.restore()
    np.testing.assert_array_equal(again.numbers(), Toy(tmp_path).train(40).numbers())


def test_checkpoints_of_older_code_still_load(run_dir, capsys):
    """Format 1: one manifest for all, without checksums, and a counter of saves."""
    directory = run_dir / "checkpoints"
    toy = Toy(run_dir)
    toy.saved.restore()
    writer = tf.train.Checkpoint(**toy.saved._parts)
    for path in directory.iterdir():
        path.unlink()
    manager = tf.train.CheckpointManager(writer, str(directory), 3)
    toy.train(2)
    manager.save(checkpoint_number=32)
    variables = manifests.describe(toy.w)
    old = {"format": 1, "step": 32, "variables": variables}
    (directory / "manifest.json").write_text(json.dumps(old))
    again = Toy(run_dir)
    assert again.saved.restore()
    np.testing.assert_array_equal(again.numbers(), toy.numbers())
    assert load_average(directory, again.w) == 32
    again.train(8).saved.save()
    (directory / "ckpt-40.json").write_text("")  # falls back to the old kind
    last = Toy(run_dir)
    assert last.saved.restore()
    assert int(last.step) == 32
    assert "ckpt-40 is damaged" in capsys.readouterr().err


def test_strangers_are_refused_with_the_difference(run_dir):
    before = contents(run_dir)
    with pytest.raises(InputError, match=r"unet/w saved \[40\], built \[41\]"):
        Toy(run_dir, size=41).saved.restore()
    with pytest.raises(InputError, match=r"pictures saved 7, given 8.*`init_from"):
        Toy(run_dir, data={**DATA, "pictures": 8}).saved.restore()
    with pytest.raises(InputError, match="name saved digits, given faces; probe"):
        Toy(run_dir, data={**DATA, "name": "faces", "probe": "02"}).saved.restore()
    assert Toy(run_dir, data={**DATA, "name": "moved"}).saved.restore()
    assert Toy(run_dir, data={**DATA, "probe": "other decoder"}).saved.restore()
    path = run_dir / "checkpoints" / "ckpt-30.json"
    newer = manifests.from_text(path.read_text()) | {"format": manifests.FORMAT + 1}
    path.write_text(manifests.to_text(newer))
    with pytest.raises(InputError, match=f"newer .*format {manifests.FORMAT + 1}"):
        Toy(run_dir).saved.restore()
    path.write_bytes(before[path])
    assert contents(run_dir) == before


def test_a_full_disk_keeps_the_old_ones_and_says_so(run_dir):
    toy = Toy(run_dir, size=20_000)
    for path in (run_dir / "checkpoints").iterdir():
        path.unlink()
    toy.train(10).saved.save()
    before = contents(run_dir)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before_limit = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    for room in (100, 50_000, 200_000):  # bytes; a checkpoint takes 320,000
        toy.train(1)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
        try:
            with pytest.raises(NotSaved, match=r"could not be saved .*ckpt-10 is kept"):
                toy.saved.save()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert contents(run_dir) == before
    signal.signal(signal.SIGXFSZ, before_limit)
    toy.saved.save()
    assert Toy(run_dir, size=20_000).saved.restore()


HOLDER = """
import sys, time
from pathlib import Path
from pdm_tf.training.lock import locked
with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(60)
"""


def test_a_second_trainer_is_refused_until_the_first_is_dead(tmp_path):
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as first:
        assert first.stdout.readline()
        with (
            pytest.raises(InputError, match="another process is training"),
            locked(tmp_path),
        ):
            pass
        first.kill()
        first.wait()
    with locked(tmp_path):
        pass


def test_a_directory_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match=r"^run_dir=.*cannot be written to"),
        locked(tmp_path / "file" / "run"),
    ):
        pass


KILLER = """
import os, signal, sys, time
import numpy as np
sys.path[:0] = [".", "tests/training"]
from test_training_checkpoints import Toy  # imported once for all children
rng, run_dir, kills, until = np.random.default_rng(0), *sys.argv[1:]
state = run_dir + "/checkpoints/checkpoint"
def newest():
    return os.path.exists(state) and os.stat(state).st_mtime_ns
for _ in range(int(kills)):
    child = os.fork()
    if not child:
        try:
            toy = Toy(run_dir, size=30_000)
            toy.saved.restore()
            toy.run(1, int(until))
        except BaseException as error:
            print("child:", repr(error), flush=True)
            os._exit(1)
        os._exit(0)
    before = newest()
    while newest() == before:  # lives, resumed and saved
        time.sleep(0.005)
    time.sleep(rng.uniform(0, 0.2))
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    print("killed" if os.WIFSIGNALED(status) else "ended", flush=True)
"""


def test_kills_at_random_moments_change_nothing(tmp_path):
    """Of a run that does little else than saving."""
    run_dir, until = tmp_path / "run", 1000
    command = [sys.executable, "-c", KILLER, str(run_dir), "10", str(until)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout
    assert said.split() == ["killed"] * 10
    toy = Toy(run_dir, size=30_000)
    assert toy.saved.restore()
    reached = int(toy.step)
    assert 10 <= reached < until
    whole = Toy(tmp_path / "x", size=30_000).train(reached)
    np.testing.assert_array_equal(toy.numbers(), whole.numbers())
