"""Directories for outputs: looked at first, one writer at a time, nothing of others."""

import os
import threading

import pytest

from pdm_tf.errors import SettingError
from pdm_tf.storage.files import write_json
from pdm_tf.storage.outputs import MANIFEST, check_directory, locked_directory


def ours(manifest):
    return "mine" in manifest


def refusal(path, check=check_directory):
    with pytest.raises(SettingError) as caught, check("out", str(path), ours):
        pass
    assert str(caught.value).startswith("out") and "\n" not in str(caught.value)
    return str(caught.value)


def test_looking_makes_nothing(tmp_path):
    assert check_directory("out", str(tmp_path / "a" / "b"), ours) is None
    assert check_directory("out", str(tmp_path), ours) is None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("check", [check_directory, locked_directory])
def test_what_cannot_be_is_refused(tmp_path, check):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "nowhere").symlink_to(tmp_path / "missing" / "more")
    assert "out is missing" in refusal("", check)
    assert "is a file" in refusal(tmp_path / "file", check)
    assert "is a file" in refusal(tmp_path / "file" / "x" / "y", check)
    refusal(tmp_path / "nowhere", check)
    refusal(tmp_path / ("x" * 300), check)
    assert "not empty" in refusal(tmp_path, check)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "nowhere"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_what_may_not_be_written_is_refused(tmp_path):
    (tmp_path / "shut").mkdir(mode=0o555)
    for path in (tmp_path / "shut", tmp_path / "shut" / "x"):
        refusal(path)


def test_a_directory_of_ours_is_opened_again(tmp_path):
    with locked_directory("out", str(tmp_path / "a" / "b"), ours) as there:
        assert there is None
        write_json(tmp_path / "a" / "b" / MANIFEST, {"mine": 1})
    assert os.listdir(tmp_path / "a" / "b") == [MANIFEST]  # noqa: PTH208
    with locked_directory("out", str(tmp_path / "a" / "b"), ours) as there:
        assert there == {"mine": 1}
    write_json(tmp_path / "a" / "b" / MANIFEST, {"other": 1})
    assert "another command wrote" in refusal(tmp_path / "a" / "b")


def test_hidden_files_are_no_content(tmp_path):
    (tmp_path / ".DS_Store").write_text("x")
    assert check_directory("out", str(tmp_path), ours) is None


def test_of_many_at_once_one_writes(tmp_path):
    """Threads hold files of their own, and so locks, as processes do."""
    begun, entered, refused = threading.Barrier(8), [], []
    inside = threading.Lock()

    def write(number):
        begun.wait()
        for _ in range(20):
            try:
                with locked_directory("out", str(tmp_path), ours):
                    assert inside.acquire(blocking=False)  # nobody else is here
                    entered.append(number)
                    write_json(tmp_path / MANIFEST, {"mine": number})
                    inside.release()
            except SettingError as error:
                refused.append(str(error))

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(entered) + len(refused) == 160 and entered
    assert all("another command is writing there" in text for text in refused)
    assert not inside.locked()
