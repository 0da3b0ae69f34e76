"""Every command given a file of another type than it expects, one after the other.

Each ends in success, or in one line and exit code 2, soon and within bounds of memory;
and what was there before is as it was.
"""

import contextlib
import os
import random
import resource
import signal
import socket
import stat
import sys
import zipfile

import numpy as np
import pytest

from pdm_tf import flags
from pdm_tf.commands import main
from pdm_tf.data.images import save_png
from pdm_tf.evaluation import train_digits

LONGEST = 60  # seconds
LARGEST = 2**30  # bytes that the peak may grow by
QUICK = 40  # cases, of those that load no model


def made_socket(path):
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as one:
        here = os.open(path.parent, os.O_RDONLY)  # names of sockets are short
        one.bind(f"/proc/self/fd/{here}/{path.name}")
        os.close(here)


def made_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "dear")


def full_directory(path):
    path.mkdir()
    (path / "dear.txt").write_text("dear")


def named_directory(name, content=b""):
    """A directory with one file, by the name of one that is looked for."""

    def make(path):
        path.mkdir()
        (path / name).write_bytes(content)

    return make


def with_pipe(name):
    def make(path):
        path.mkdir()
        os.mkfifo(path / name)

    return make


def sparse(path):
    with path.open("wb") as file:
        file.truncate(2**42)


def with_sparse(name):
    def make(path):
        path.mkdir()
        sparse(path / name)

    return make


NAMES = [
    *("config.flags", "model.json", "split.json", "saved_model.pb", "model.xml"),
    *("manifest.json", "dataset_info.json", "data.mdb"),
]
DEEP = b"[" * 200_000
TYPES = {
    "nothing": lambda path: None,
    "directory": lambda path: path.mkdir(),
    "full": full_directory,
    "pipe": os.mkfifo,
    "zero": lambda path: path.symlink_to("/dev/zero"),
    "null": lambda path: path.symlink_to("/dev/null"),
    "socket": made_socket,
    "empty": lambda path: path.touch(),
    "loop": lambda path: path.symlink_to(path),
    "nowhere": lambda path: path.symlink_to("no/where"),
    "text": lambda path: path.write_text("dear"),
    "flags": lambda path: path.write_text("--width=2\n"),
    "json": lambda path: path.write_text('{"a": [1, null]}'),
    "deep": lambda path: path.write_bytes(DEEP),
    "noise": lambda path: path.write_bytes(random.Random(0).randbytes(5000)),
    "zip": made_zip,
    "png": lambda path: path.write_bytes(PNG),
    "npz": lambda path: np.savez(path.open("wb"), a=np.zeros(3)),
    "npy": lambda path: np.save(path.open("wb"), np.zeros(3)),
    "pb": lambda path: path.write_bytes(b"\x08\x01\x12\x00"),
    "sparse": sparse,
    **{
        f"{kind} {name}": make(name)
        for name in NAMES
        for kind, make in {
            "pipe": with_pipe,
            "empty": named_directory,
            "deep": lambda name: named_directory(name, DEEP),
            "sparse": with_sparse,
        }.items()
    },
}
SMALL = "--image_shape=8,8,1 --width=8 --channel_multipliers=1 --blocks_per_level=1 "
SMALL += "--attention_resolutions= --batch_size=2 --iterations=1 --sample_every=0"
# {it} is the file of another type, {run} a run, {png} a picture, {new} a new place.
READING = {
    "train flagfile": "train --flagfile={it} --run_dir={new}",
    "train folder": f"train --dataset=folder:{{it}} --run_dir={{new}} {SMALL}",
    "train tfds": f"train --dataset=tfds:{{it}} --run_dir={{new}} {SMALL}",
    "train data_dir": f"train --dataset=tfds:a --data_dir={{it}} --run_dir={{new}} "
    f"{SMALL}",
    "train init_from": f"train --dataset=mnist --init_from={{it}} --run_dir={{new}} "
    f"{SMALL}",
    "sample": "sample --model={it} --out_dir={new} --num_images=1 --steps=1",
    "split": "split --parts={it},{it} --out={new}",
    "merge": "merge --shards={it} --out_dir={new}",
    "doctor": f"doctor --dataset=folder:{{it}} --minutes=1 --out={{new}} {SMALL}",
    "data prepare": "data prepare --source={it} --out={new} --image_size=8",
    "data measure": f"data measure --dataset=tfds:{{it}} {SMALL}",
    "metrics samples": "evaluation metrics --samples={it} --out={new} --bootstrap=0",
    "metrics reference": "evaluation metrics --samples={png_folder} --reference={it} "
    "--out={new} --bootstrap=0",
    "metrics inception": "evaluation metrics --samples={png_folder} "
    "--features=inception --inception_graph={it} --out={new}",
    "likelihood": "evaluation likelihood --model={it} --reference=mnist --out={new}",
    "likelihood reference": "evaluation likelihood --model={run} --reference={it} "
    "--num_images=2 --terms=2 --out={new}",
    "compare": "evaluation compare --model={it} --reference={run} --out={new}",
    "compare reference": "evaluation compare --model={run} --reference={it} "
    "--out={new}",
    "compare data": "evaluation compare --model={run} --reference={run} --data={it} "
    "--num_images=2 --steps=1 --out={new}",
    "export": "export --model={it} --export_dir={new}",
    "export litert": "export --model={it} --format=litert --export_dir={new}",
    "editing model": "editing sdedit --model={it} --image={png} --out={new}",
    "editing image": "editing sdedit --model={run} --image={it} --out={new} --steps=2",
    "editing mask": "editing inpaint --model={run} --image={png} --mask={it} "
    "--steps=2 --count=1 --resamplings=1 --out={new}",
    "editing second": "editing interpolate --model={run} --image={png} "
    "--second_image={it} --steps=2 --count=2 --out={new}",
    "simulate image": "inverse simulate --operator=box --image={it} --out={new}",
    "simulate mask": "inverse simulate --operator=inpaint:{it} --image={png} "
    "--out={new}",
    "inverse model": "inverse red_diff --operator=box --model={it} --image={png} "
    "--out={new}",
    "inverse measurement": "inverse red_diff --operator=box --model={run} "
    "--measurement={it} --steps=1 --out={new}",
    "inverse circuit": "inverse tiramisu --operator=box --model={run} --image={png} "
    "--circuit={it} --steps=1 --out={new}",
    "learn_circuit": "inverse learn_circuit --dataset=folder:{it} "
    "--image_shape=8,8,1 --iterations=1 --out={new}",
    "convert": "convert jit --checkpoint={it} --out={new}",
    "deepcache": "acceleration deepcache --base={it} --out={new}",
    "ptq4dm": "quantization ptq4dm --base={it} --out={new}",
    "guidance_lora": "distillation guidance_lora --base={it} --out={new}",
    "analysis": "analysis figure1 --dataset=folder:{it} --out={new} --iterations=1 "
    "--judged=2 --pictures=4",
}
WRITING = {
    "train": f"train --dataset=mnist --run_dir={{it}} {SMALL}",
    "sample": "sample --model={run} --out_dir={it} --num_images=1 --steps=1 "
    "--sampler=ddim",
    "split": "split --parts={run} --out={it}",
    "doctor": "doctor --dataset=folder:{png_folder} --minutes=0.01 --out={it} "
    f"{SMALL}",
    "data prepare": "data prepare --source={png_folder} --out={it} --image_size=8",
    "metrics": "evaluation metrics --samples={png_folder} --out={it} --bootstrap=0",
    "statistics": "evaluation metrics --samples={png_folder} --save_statistics={it} "
    "--out={new} --bootstrap=0",
    "likelihood": "evaluation likelihood --model={run} --reference={png_folder} "
    "--num_images=2 --terms=2 --out={it}",
    "compare": "evaluation compare --model={run} --reference={run} --num_images=2 "
    "--steps=1 --data={png_folder} --features=random --out={it}",
    "digits": "evaluation train_digits --out={it}",
    "export": "export --model={run} --sampler=ddim --export_dir={it}",
    "export litert": "export --model={run} --format=litert --export_dir={it} "
    "--check_images=2 --check_steps=1 --reference={png_folder} --min_sqnr=0",
    "export openvino": "export --model={run} --format=openvino --export_dir={it} "
    "--check_images=2 --check_steps=1 --reference={png_folder} --min_sqnr=0",
    "editing": "editing variations --model={run} --image={png} --out={it} --count=1 "
    "--steps=2",
    "simulate": "inverse simulate --operator=box --image={png} --out={it}",
    "learn_circuit": "inverse learn_circuit --dataset=folder:{png_folder} --codes=2 "
    "--image_shape=8,8,1 --states=2 --iterations=1 --out={it}",
    "convert": "convert jit --checkpoint={png} --out={it}",
    "deepcache": "acceleration deepcache --base={run} --out={it} --report_images=0",
    "analysis": "analysis figure1 --out={it} --judged=2 --pictures=4",
}
CASES = [
    (way, name, kind)
    for way, commands in (("reading", READING), ("writing", WRITING))
    for name in commands
    for kind in TYPES
]
LIGHT = (
    "train flagfile",
    "train folder",
    "split",
    "merge",
    "data prepare",
    "metrics samples",
)
LIGHT += ("metrics inception", "editing image", "editing mask", "sample", "export")


@pytest.fixture(scope="session")
def given(tmp_path_factory, tiny_run):
    """What commands need besides: a run, pictures of its size, a folder of them."""
    global PNG
    folder = tmp_path_factory.mktemp("given")
    rng = np.random.default_rng(0)
    (folder / "pictures").mkdir()
    for i in range(8):
        picture = rng.integers(0, 256, (8, 8, 1), np.uint8)
        save_png(folder / "pictures" / f"{i}.png", picture)
    PNG = (folder / "pictures" / "0.png").read_bytes()
    return {
        "run": tiny_run,
        "png": folder / "pictures" / "0.png",
        "png_folder": folder / "pictures",
    }


PNG = b""


def seen(path):
    """All that can be seen of a file or directory, without reading what has no end."""
    if not os.path.lexists(path):
        return None
    about = path.lstat()
    kind = stat.S_IFMT(about.st_mode)
    if stat.S_ISDIR(kind):
        return {file.name: seen(file) for file in path.iterdir()}
    if stat.S_ISLNK(kind):
        return kind, str(path.readlink())
    small = stat.S_ISREG(kind) and about.st_size < 10**6
    return kind, about.st_size, about.st_mtime_ns, path.read_bytes() if small else b""


@contextlib.contextmanager
def soon():
    def late(*_):
        raise TimeoutError(f"not done after {LONGEST} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(LONGEST)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def peak():
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def try_case(case, given, tmp_path, monkeypatch, capsys):
    """Runs a command; returns its exit code and what is wrong with its end."""
    way, name, kind = case
    monkeypatch.chdir(tmp_path)
    # What would take minutes ends where it would begin: the place was accepted.
    monkeypatch.setattr(train_digits, "train", lambda *_: sys.exit(0))
    if name == "analysis" and way == "writing":
        monkeypatch.setattr("pdm_tf.analysis.making._write", lambda *_: sys.exit(0))
    it, new = tmp_path / "it", tmp_path / "new"
    TYPES[kind](it)
    before, memory = seen(it), peak()
    line = {"reading": READING, "writing": WRITING}[way][name]
    argv = [word.format(it=it, new=new, **given) for word in line.split()]
    with soon(), pytest.raises(SystemExit) as end:
        flags.run(main, ["pdm-tf", *argv])
    said = capsys.readouterr().err
    wrong = []
    if end.value.code not in (0, 2):
        wrong.append(f"exit code {end.value.code}")
    if end.value.code and len(said.split("error: ")) != 2:
        wrong.append(f"said {said[-300:]!r}")
    if "Traceback" in said:
        wrong.append(said[-500:])
    if (way == "reading" or end.value.code) and seen(it) != before:
        wrong.append(f"changed {before} to {seen(it)}")
    if isinstance(before, dict) and not before.items() <= (seen(it) or {}).items():
        wrong.append(f"lost of {before}")
    if peak() - memory > LARGEST:
        wrong.append(f"took {(peak() - memory) / 2**30:.1f} GiB")
    return end.value.code, wrong


def sample():
    light = [c for c in CASES if c[0] == "reading" and c[1] in LIGHT]
    return random.Random(1).sample(light, QUICK)


@pytest.mark.parametrize("case", sample(), ids="-".join)
def test_another_type_of_file_is_one_line(case, given, tmp_path, monkeypatch, capsys):
    _, wrong = try_case(case, given, tmp_path, monkeypatch, capsys)
    assert not wrong


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_every_type_of_file_is_one_line(case, given, tmp_path, monkeypatch, capsys):
    code, wrong = try_case(case, given, tmp_path, monkeypatch, capsys)
    assert not wrong, (code, wrong)
