"""The main job on a small model: train, stop, resume, sample, export, serve."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from unittest.mock import ANY

import numpy as np
import pytest
import tensorflow as tf

from pdm_tf import flags
from pdm_tf.commands import sample, train

ROOT = Path(__file__).resolve().parent.parent
SMALL = """
--dataset=mnist
--num_classes=10
--width=8
--channel_multipliers=1,2
--blocks_per_level=1
--attention_resolutions=8
--batch_size=8
--warmup=5
--learning_rate=1e-3
--ema_every=3
--steps_per_call=4
--sample_images=4
--sample_steps=2
--save_every=10
--sample_every=10
--log_every=5
"""


def run(*command: str, code: int = 0) -> subprocess.CompletedProcess:
    """Runs a script of the project as its user would."""
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


def called(main: Callable[[list[str]], int | None], *words: str) -> tuple[int, str]:
    """A command without a process of its own: its exit code, and its errors."""
    with redirect_stderr(StringIO()) as errors, pytest.raises(SystemExit) as end:
        flags.run(main, ["command", *words])
    return end.value.code, errors.getvalue()


def error_of(main: Callable[[list[str]], int | None], *words: str) -> str:
    """The one line that says what is wrong with a command."""
    code, text = called(main, *words)
    lines = [line for line in text.splitlines() if line.startswith("error: ")]
    assert code == 2 and len(lines) == 1 and "Traceback" not in text
    return lines[0]


def variables(run_dir: Path) -> dict[str, np.ndarray]:
    """Everything in a run's newest checkpoint, by name."""
    reader = tf.train.load_checkpoint(str(run_dir / "checkpoints"))
    names = reader.get_variable_to_shape_map()
    return {n: reader.get_tensor(n) for n in names if "save_counter" not in n}


@pytest.fixture(scope="module")
def flagfile(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("flags") / "small.flags"
    path.write_text(SMALL)
    return path


@pytest.fixture(scope="module")
def whole(flagfile, tmp_path_factory) -> Path:
    """A run of 20 steps in one go."""
    run_dir = tmp_path_factory.mktemp("whole") / "run"
    flags = [f"--flagfile={flagfile}", f"--run_dir={run_dir}", "--iterations=20"]
    assert called(train.main, *flags) == (0, ANY)
    return run_dir


def test_a_run_holds_its_artefacts(whole):
    assert (whole / "samples" / "step_000010.png").is_file()
    assert (whole / "samples" / "step_000020.png").is_file()
    assert list((whole / "logs").iterdir())
    manifest = json.loads((whole / "checkpoints" / "manifest.json").read_text())
    assert manifest["step"] == 20
    assert (whole / "export" / "saved_model.pb").is_file()


def test_ten_steps_a_kill_and_ten_more_are_twenty(whole, flagfile, tmp_path):
    run_dir = tmp_path / "run"
    flags = [f"--flagfile={flagfile}", f"--run_dir={run_dir}", "--noexport"]
    process = subprocess.Popen(
        [sys.executable, "train.py", *flags, "--iterations=20", "--sample_every=0"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not (run_dir / "checkpoints" / "ckpt-10.index").exists():
            assert process.poll() is None
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    again = [*flags, "--iterations=20", "--sample_every=0"]
    assert called(train.main, *again) == (0, ANY)
    once, twice = variables(whole), variables(run_dir)
    assert once.keys() == twice.keys()
    for name, value in once.items():
        np.testing.assert_array_equal(value, twice[name], err_msg=name)


@pytest.mark.slow  # SIGTERM does the same in the quick set: tests/training
def test_ctrl_c_saves_first_and_says_how_to_go_on(flagfile, tmp_path):
    run_dir = tmp_path / "run"
    command = [sys.executable, "train.py", f"--flagfile={flagfile}"]
    process = subprocess.Popen(
        [*command, f"--run_dir={run_dir}", "--iterations=100000", "--sample_every=0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    while not (run_dir / "checkpoints" / "ckpt-10.index").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"the same command resumes {run_dir}" in said
    manifest = json.loads((run_dir / "checkpoints" / "manifest.json").read_text())
    assert (run_dir / "checkpoints" / f"ckpt-{manifest['step']}.index").is_file()


def test_a_folder_of_broken_pictures_is_named(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    words = [f"--dataset=folder:{folder}", f"--run_dir={tmp_path / 'run'}"]
    assert "no pictures" in error_of(train.main, *words)
    (folder / "broken.png").write_bytes(b"not a picture")
    assert "broken.png" in error_of(train.main, *words)
    assert not (tmp_path / "run").exists()


def test_resuming_with_another_network_is_refused(whole, flagfile):
    before = {p: p.read_bytes() for p in whole.rglob("*") if p.is_file()}
    words = [f"--flagfile={flagfile}", f"--run_dir={whole}", "--width=16"]
    line = error_of(train.main, *words)
    assert line.startswith("error: --run_dir=") and "width 8 → 16" in line
    assert before == {p: p.read_bytes() for p in whole.rglob("*") if p.is_file()}


def generated(whole: Path, out: Path, *words: str) -> np.lib.npyio.NpzFile:
    """What sample.py writes."""
    command = [f"--model={whole / 'export'}", f"--out_dir={out}", "--steps=4"]
    assert called(sample.main, *command, *words) == (0, ANY)
    return np.load(out / "samples.npz", allow_pickle=False)


def test_samples_do_not_depend_on_the_batch(whole, tmp_path):
    alone = generated(whole, tmp_path / "1", "--num_images=7", "--batch_size=1")
    threes = generated(whole, tmp_path / "3", "--num_images=7", "--batch_size=3")
    many = generated(whole, tmp_path / "64", "--num_images=7", "--batch_size=64")
    for other in (threes, many):
        np.testing.assert_array_equal(alone["arr_0"], other["arr_0"])
    assert alone["arr_0"].shape == (7, 32, 32, 1)
    assert alone["labels"].tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert (tmp_path / "64" / "grid.png").is_file()
    assert (tmp_path / "64" / "000006.png").is_file()


def test_a_stopped_sampling_goes_on_and_ends_the_same(whole, tmp_path):
    flags = ["--num_images=6", "--batch_size=2"]
    full = generated(whole, tmp_path / "full", *flags)["arr_0"]
    generated(whole, tmp_path / "stopped", *flags)
    (tmp_path / "stopped" / "samples.npz").unlink()
    parts = tmp_path / "stopped" / ".parts"
    parts.mkdir()
    np.save(parts / "00000000-2.npy", full[:2])
    again = generated(whole, tmp_path / "stopped", *flags)["arr_0"]
    np.testing.assert_array_equal(full, again)


BARE = """
import sys
sys.modules["keras"] = None  # any import of keras now fails
sys.modules["pdm_tf"] = None
import numpy as np, tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
drawn = model.signatures["serving_default"](
    seeds=tf.constant([5, 6]), labels=tf.constant([1, 2]),
    steps=tf.constant(3), guidance=tf.constant(1.5))
np.save(sys.argv[2], drawn["images"].numpy())
"""


def served_by_session(directory: Path) -> np.ndarray:
    """The same request through the loader that TF Serving and C++ use."""
    v1 = tf.compat.v1
    with v1.Session(graph=tf.Graph()) as session:
        graph = v1.saved_model.load(session, ["serve"], str(directory))
        signature = graph.signature_def["serving_default"]
        request = {"seeds": [5, 6], "labels": [1, 2], "steps": 3, "guidance": 1.5}
        feed = {signature.inputs[name].name: value for name, value in request.items()}
        return session.run(signature.outputs["images"].name, feed)


def test_the_export_serves_without_keras_and_through_a_session(whole, tmp_path):
    import pdm_tf as pdm
    from pdm_tf.data.images import to_uint8

    out = tmp_path / "bare.npy"
    run("-c", BARE, str(whole / "export"), str(out))
    bare = np.load(out)
    np.testing.assert_array_equal(bare, served_by_session(whole / "export"))
    # Of constant weights, as the export is: other kernels, for weights that may change,
    # round otherwise, and a value between two levels would go to either.
    denoise = pdm.guided(pdm.restore(whole).with_constant_weights(), [1, 2], weight=1.5)
    grid = denoise.schedule.grid(3)
    x = pdm.sample(denoise, pdm.DDPM(), grid, [5, 6], (32, 32, 1))
    np.testing.assert_array_equal(bare, to_uint8(x).numpy())


def test_one_trace_serves_every_request(whole):
    model = tf.saved_model.load(str(whole / "export"))
    drawn = model.signatures["sample"]
    for count, steps in ((1, 2), (3, 5), (2, 3)):
        drawn(
            seeds=tf.range(count),
            labels=tf.zeros([count], tf.int32),
            steps=tf.constant(steps),
            guidance=tf.constant(1.0),
        )
    assert len(model.sample.concrete_functions) == 1


@pytest.mark.parametrize(
    ("command", "words", "names", "remedy"),
    [
        (train, ["--widht=8"], "--widht", "--width"),
        (train, ["--dataset=folder:/no/such"], "/no/such", ""),
        (train, ["--image_shape=30,30,1"], "--image_shape=30,30,1", "28 or 32"),
        (train, ["--batch_size=0"], "--batch_size=0", "at least 1"),
        (sample, ["--savedmodel=/no/such"], "--model=/no/such", "run"),
        (sample, [], "--model", "export/"),
    ],
)
def test_bad_input_is_one_line_and_code_2(command, words, names, remedy, tmp_path):
    where = [f"--run_dir={tmp_path / 'run'}"] if command is train else []
    line = error_of(command.main, *words, *where)
    assert names in line and remedy in line
    assert not (tmp_path / "run").exists()


def test_scripts_end_as_their_commands_do():
    said = run("sample.py", "--savedmodel=/no/such", code=2).stderr
    assert said.splitlines()[-1].startswith("error: --model=/no/such: ")
    assert "Traceback" not in said


def test_bad_labels_are_refused(whole, tmp_path):
    words = [f"--model={whole / 'export'}", f"--out_dir={tmp_path / 'x'}"]
    line = error_of(sample.main, *words, "--labels=3,11")
    assert "--labels=11" in line and "0 to 9" in line
    assert not (tmp_path / "x").exists()
