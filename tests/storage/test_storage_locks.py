"""One writer to a place at a time, by whatever name the place goes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pdm_tf.errors import SettingError
from pdm_tf.storage.locks import INSIDE, locked_place
from pdm_tf.storage.shards import shards_in
from pdm_tf.storage.sums import NAME, check_sums, write_sums

HELD = """
import sys
from pdm_tf.storage.locks import locked_place
with locked_place("out", sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_writer_is_refused_by_whatever_name(tmp_path):
    place, link = tmp_path / "a" / "it", tmp_path / "link"
    with locked_place("out", place):
        link.symlink_to(place)
        for name in (place, link, tmp_path / "a" / ".." / "a" / "it"):
            with (
                pytest.raises(SettingError, match="another command is writing there"),
                locked_place("out", name),
            ):
                pass
        with locked_place("out", tmp_path / "a" / "other"):
            pass
    with locked_place("out", link):
        pass
    assert not list((tmp_path / "a").iterdir())


def test_a_lock_ends_with_the_process_that_was_killed(tmp_path):
    command = [sys.executable, "-c", HELD, str(tmp_path / "it")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as other:
        other.stdout.readline()
        with pytest.raises(SettingError), locked_place("out", tmp_path / "it"):
            pass
        other.kill()
        other.wait()
    with locked_place("out", tmp_path / "it"):
        pass


def test_devices_and_pipes_need_no_lock(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in ("/dev/null", "/dev/stdout", tmp_path / "pipe"):
        with locked_place("out", path), locked_place("out", path):
            pass


@pytest.mark.parametrize("name", [".it.lock", "a"])
def test_what_cannot_be_locked_is_one_line(tmp_path, name):
    if name == "a":
        (tmp_path / "a").write_text("dear")
        place = tmp_path / "a" / "it"
    else:
        (tmp_path / name).symlink_to(tmp_path / "of another")
        place = tmp_path / "it"
    with pytest.raises(SettingError, match="cannot be written to"):
        locked_place("out", place).__enter__()
    assert not (tmp_path / "of another").exists()


def test_where_beside_nothing_may_be_written_the_lock_is_inside(tmp_path, monkeypatch):
    (tmp_path / "it").mkdir()
    monkeypatch.setattr(os, "access", lambda *_: False)
    with locked_place("out", tmp_path / "it"):
        assert (tmp_path / "it" / INSIDE).exists()
    assert not list((tmp_path / "it").iterdir())


def test_sums_that_are_cut_at_a_lines_end_are_refused(tmp_path):
    (tmp_path / "variables").mkdir()
    for name in ("a.pb", "b.pb", "variables/c"):
        (tmp_path / name).write_text(name)
    write_sums(tmp_path)
    (tmp_path / "note").write_text("mine")
    (tmp_path / "variables" / ".DS_Store").write_text("another's")
    needed = ("*.pb", "variables/*")
    assert check_sums(tmp_path, needed)
    lines = (tmp_path / NAME).read_text().splitlines(keepends=True)
    for count in range(len(lines)):
        (tmp_path / NAME).write_text("".join(lines[:count]))
        with pytest.raises(ValueError, match="cut short"):
            check_sums(tmp_path, needed)


def test_an_index_says_in_how_many_files_weights_are(tmp_path):
    import tensorflow as tf

    tf.train.Checkpoint(a=tf.Variable(1.0)).write(str(tmp_path / "it"))
    head = Path(tmp_path / "it.index").read_bytes()[:64]
    assert shards_in(head) == 1
    many = b"\xff\xff\xff\xff\x07"  # 2³¹ - 1, the most that it can claim
    assert shards_in(head[:4] + many + head[5:]) == 2**31 - 1
    for cut in range(4):
        assert shards_in(head[:cut]) == 0
    assert shards_in(b"\0\0\6\x08" + b"\xff" * 60) == 0
