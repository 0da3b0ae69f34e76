"""A place for outputs is looked at before the work, and refused in one line."""

from pathlib import Path

import pytest

from pdm_tf.errors import SettingError
from pdm_tf.storage.directories import appearing_directory
from pdm_tf.storage.places import open_place
from pdm_tf.storage.sums import NAME, check_sums, write_sums


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "is missing: name a directory"),
        ("  ", "is missing: name a directory"),
        ("file", "is a file; name a directory"),
        ("file/below", "file is a file; name a directory"),
        ("nowhere", "No such file"),
        ("loop", "symbolic links"),
        ("a" * 300, "File name too long"),
        ("zero\0byte", "null byte"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, monkeypatch, name, said):
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("mine")
    Path("nowhere").symlink_to("missing/there")
    Path("loop").symlink_to("loop")
    with pytest.raises(SettingError, match=said) as caught:
        open_place("out", name)
    assert "\n" not in str(caught.value)
    assert len(list(tmp_path.iterdir())) == 3


def test_home_is_expanded_and_nothing_is_made(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert open_place("out", "~/a/[1]\\*?\n") == tmp_path / "a" / "[1]\\*?\n"
    assert not list(tmp_path.iterdir())


def test_sums_are_kept_with_a_directory_and_tell_of_damage(tmp_path):
    with appearing_directory(tmp_path / "it") as new:
        (new / "a").write_text("a")
        write_sums(new)
    assert check_sums(tmp_path / "it")
    (tmp_path / "it" / "note of somebody").write_text("mine")
    assert check_sums(tmp_path / "it")
    (tmp_path / "it" / "a").write_text("b")
    with pytest.raises(ValueError, match="a is damaged"):
        check_sums(tmp_path / "it")
    (tmp_path / "it" / "a").unlink()
    with pytest.raises(ValueError, match="a cannot be read"):
        check_sums(tmp_path / "it")
    (tmp_path / "it" / NAME).write_text("")
    with pytest.raises(ValueError, match="damaged or cut short"):
        check_sums(tmp_path / "it")
