"""Files and directories appear whole or not at all, as `open` would make them."""

import json
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pdm_tf.storage import directories
from pdm_tf.storage.directories import appearing_directory
from pdm_tf.storage.files import (
    appearing,
    checksum,
    write_bytes,
    write_json,
    write_npy,
    write_npz,
    write_text,
)
from pdm_tf.storage.images import encode_png, write_png

ROOT = Path(__file__).resolve().parents[2]
PICTURE = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
WRITERS = {
    "text": lambda path: write_text(path, "Größe\n"),
    "bytes": lambda path: write_bytes(path, b"\0\xff"),
    "json": lambda path: write_json(path, {"a": [1, None]}),
    "npy": lambda path: write_npy(path, PICTURE),
    "npz": lambda path: write_npz(path, {"a": PICTURE}, compress=True),
    "png": lambda path: write_png(path, PICTURE),
}
every_writer = pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)


def names(directory):
    return sorted(path.name for path in directory.iterdir())


@every_writer
def test_a_file_appears_and_is_replaced_and_leaves_nothing_beside(tmp_path, write):
    path = tmp_path / "new" / "folder" / "file"
    write(path)
    first = path.read_bytes()
    path.write_bytes(b"old")
    write(str(path))
    assert path.read_bytes() == first and names(path.parent) == ["file"]


def test_what_is_written_is_read_back(tmp_path):
    for name, write in WRITERS.items():
        write(tmp_path / name)
    assert (tmp_path / "text").read_text(encoding="utf-8") == "Größe\n"
    assert json.loads((tmp_path / "json").read_text()) == {"a": [1, None]}
    np.testing.assert_array_equal(np.load(tmp_path / "npy"), PICTURE)
    with np.load(tmp_path / "npz") as arrays:
        np.testing.assert_array_equal(arrays["a"], PICTURE)
    for channels in (1, 3):
        write_png(tmp_path / "png", PICTURE[..., :channels])
        with Image.open(tmp_path / "png") as image:
            shape = (4, 4, channels)
            found = np.asarray(image).reshape(shape)
        np.testing.assert_array_equal(found, PICTURE[..., :channels])
    assert len(encode_png(PICTURE, 9)) <= len(encode_png(PICTURE, 0))


@every_writer
@pytest.mark.parametrize("there", [True, False])
def test_an_error_at_the_last_moment_leaves_what_was_there(
    tmp_path, monkeypatch, write, there
):
    path = tmp_path / "file"
    if there:
        path.write_text("old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        write(path)
    assert names(tmp_path) == (["file"] if there else [])
    assert not there or path.read_text() == "old"


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, SystemExit])
def test_an_error_while_writing_leaves_what_was_there(tmp_path, error):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(error), appearing(path) as new:
        new.write_text("half of the n")
        assert path.read_text() == "old"
        raise error
    assert path.read_text() == "old" and names(tmp_path) == ["file"]


KILLED = """
import sys, time
from pathlib import Path
from pdm_tf.storage.files import appearing
from pdm_tf.storage.directories import appearing_directory
kind, path = sys.argv[1:]
with (appearing if kind == "file" else appearing_directory)(path) as new:
    inside = new if kind == "file" else new / "part"
    inside.write_text("half of the n")
    print("writing", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("kind", ["file", "directory"])
def test_a_kill_while_writing_leaves_what_was_there(tmp_path, kind):
    path = tmp_path / "there"
    old = path if kind == "file" else path / "part"
    old.parent.mkdir(exist_ok=True)
    old.write_text("old")
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, kind, str(path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "writing\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert old.read_text() == "old"
    left, there = names(tmp_path)
    assert left.startswith(".there.new") and there == "there"
    with (appearing if kind == "file" else appearing_directory)(path) as new:
        (new if kind == "file" else new / "part").write_text("new")
    assert old.read_text() == "new" and names(tmp_path) == ["there"]
    assert kind == "file" or names(path) == ["part"]


def test_nothing_of_a_killed_writer_is_taken_over(tmp_path):
    (tmp_path / ".file.new").write_text("half of the n")
    with appearing(tmp_path / "file") as new:
        assert new.name == ".file.new" and new.read_text() == ""
    for left in (".a.new", ".a.new-01234567"):  # an older version's, and ours
        (tmp_path / left / "b").mkdir(parents=True)
        (tmp_path / left / "c").write_text("half of the n")
    with appearing_directory(tmp_path / "a") as new:
        assert names(new) == [] and names(tmp_path) == [new.name, "file"]


def test_two_writers_do_not_meet(tmp_path):
    path = tmp_path / "file"
    with appearing(path) as first, appearing(path) as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first" and names(tmp_path) == ["file"]
    with appearing_directory(tmp_path / "a") as first:
        (first / "b").write_text("first")
        with appearing_directory(tmp_path / "a") as second:
            (second / "c").write_text("second")
    assert names(tmp_path) == ["a", "file"] and names(tmp_path / "a") == ["b"]


def test_a_name_as_long_as_can_be_is_written(tmp_path):
    for name in ("a" * 255, "ß" * 127):
        write_text(tmp_path / name, "text")
    assert names(tmp_path) == ["a" * 255, "ß" * 127]


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_permissions_are_those_that_open_gives(tmp_path, umask):
    before = os.umask(umask)
    try:
        for name, write in WRITERS.items():
            write(tmp_path / name)
        with (tmp_path / "opened").open("w"):
            pass
        with appearing_directory(tmp_path / "directory"):
            pass
        (tmp_path / "made").mkdir()
    finally:
        os.umask(before)

    def mode(name):
        return stat.S_IMODE((tmp_path / name).stat().st_mode)

    assert {mode(name) for name in WRITERS} == {mode("opened")} == {0o666 & ~umask}
    assert mode("directory") == mode("made")


def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path):
    path = tmp_path / "file"
    write_text(path, "old")
    path.chmod(0o640)
    write_text(path, "new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_file_that_may_not_be_written_is_not(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_text("old")
    monkeypatch.setattr(os, "access", lambda *_: False)  # for root too
    with pytest.raises(PermissionError):
        write_text(path, "new")
    assert path.read_text() == "old" and names(tmp_path) == ["file"]


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_a_link(tmp_path, there):
    (tmp_path / "far").mkdir()
    real, link = tmp_path / "far" / "file", tmp_path / "link"
    if there:
        real.write_text("old")
    link.symlink_to(Path("far") / "file")
    write_text(link, "new")
    assert link.is_symlink() and real.read_text() == "new"
    assert names(tmp_path) == ["far", "link"] and names(tmp_path / "far") == ["file"]


def test_a_device_is_written_to_and_not_replaced(tmp_path):
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    write_text(pipe, "through")
    reader.join(10)
    assert read == ["through"] and pipe.is_fifo()


def test_a_directory_is_no_file(tmp_path):
    with pytest.raises(IsADirectoryError):
        write_text(tmp_path, "text")


def test_json_has_no_numbers_that_json_does_not_have(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"a": float("nan")})
    assert not names(tmp_path)


def test_a_directory_appears_with_all_that_is_in_it(tmp_path):
    path = tmp_path / "new" / "directory"
    with appearing_directory(path) as new:
        (new / "a").write_text("a")
        assert not path.exists()
    assert names(path) == ["a"]
    with appearing_directory(path) as new:
        (new / "b").write_text("b")
        assert names(path) == ["a"]
    assert names(path) == ["b"] and names(path.parent) == ["directory"]


@pytest.mark.parametrize("there", [True, False])
def test_a_directory_that_cannot_be_finished_leaves_what_was_there(tmp_path, there):
    path = tmp_path / "directory"
    if there:
        path.mkdir()
        (path / "a").write_text("a")
    with pytest.raises(KeyboardInterrupt), appearing_directory(path) as new:
        (new / "b").write_text("b")
        raise KeyboardInterrupt
    assert names(tmp_path) == (["directory"] if there else [])
    assert not there or names(path) == ["a"]


def test_a_directory_that_cannot_be_moved_is_put_back(tmp_path, monkeypatch):
    path, rename = tmp_path / "directory", Path.rename
    path.mkdir()
    (path / "a").write_text("a")

    def renamed(source, target):
        if (source / "b").exists():
            raise OSError(28, "No space left on device")
        return rename(source, target)

    monkeypatch.setattr(Path, "rename", renamed)
    monkeypatch.setattr(directories, "_exchange", lambda *_: False)
    with pytest.raises(OSError, match="No space"), appearing_directory(path) as new:
        (new / "b").write_text("b")
    assert names(tmp_path) == ["directory"] and names(path) == ["a"]


def test_a_checksum_is_sha256_of_file_or_bytes(tmp_path):
    # FIPS 180-2, appendix B.1
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    (tmp_path / "abc").write_bytes(b"abc")
    assert checksum(tmp_path / "abc") == checksum(b"abc") == known
