"""Flagfiles: read where they are named, however they were saved, and only if sane."""

import os
import time

import pytest

from pdm_tf import flags
from pdm_tf.config import InputError, SampleConfig
from pdm_tf.flags.flagfiles import expand


def refusal(*words):
    with pytest.raises(InputError) as caught:
        flags.parse(["program", *words], SampleConfig)
    text = str(caught.value)
    assert text.startswith("--flagfile: ") and "\n" not in text
    return text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_file_may_be_saved_by_any_editor(tmp_path, encoding, end):
    file = tmp_path / "some.flags"
    lines = ["--seed=3", "", "# a remark", "  // another", "  --model=é  "]
    file.write_bytes(end.join(lines).encode(encoding))
    words = ["--seed=1", f"--flagfile={file}", "--steps=2"]
    wanted = ["--seed=1", "--seed=3", "--model=é", "--steps=2"]
    assert expand(words) == wanted
    assert expand(["--seed=1", "-flagfile", str(file), "--steps=2"]) == wanted
    assert expand(["--", *words]) == ["--", *words]


def test_a_file_twice_is_read_twice_but_never_within_itself(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("--seed=3\n")
    assert expand([f"--flagfile={one}"] * 2) == ["--seed=3"] * 2
    one.write_text(f"--flagfile={two}\n")
    two.write_text(f"--seed=1\n--flagfile={one}\n")
    assert "names itself" in refusal(f"--flagfile={one}")
    (tmp_path / "link").symlink_to(one)
    two.write_text(f"--flagfile={tmp_path / 'link'}\n")
    assert "names itself" in refusal(f"--flagfile={one}")


def test_long_chains_and_wide_trees_end_at_once(tmp_path):
    begun = time.process_time()
    for i in range(1500):
        (tmp_path / f"{i}").write_text(f"--flagfile={tmp_path}/{i + 1}\n")
    (tmp_path / "1500").write_text("--seed=1\n")
    assert "within others" in refusal(f"--flagfile={tmp_path}/0")
    for i in range(1481, 1500):  # each read by two of the one before
        (tmp_path / f"{i}").write_text(f"--flagfile={tmp_path}/{i + 1}\n" * 2)
    assert "more than" in refusal(f"--flagfile={tmp_path}/1481")
    assert time.process_time() - begun < 5


def test_only_regular_files_of_text_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"#" * (2**20 + 1))
    (tmp_path / "latin").write_bytes("# é".encode("latin-1"))
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name, words in {
        "/dev/zero": "no regular file",
        "pipe": "no regular file",
        ".": "no regular file",
        "large": "too large",
        "latin": "no UTF-8 text (byte 2)",
        "loop": "cannot be read",
        "missing": "No such file",
        "": "is no name",
        "a\0b": "is no name",
    }.items():
        path = name if name in ("", "/dev/zero") else tmp_path / name
        assert words in refusal(f"--flagfile={path}")
