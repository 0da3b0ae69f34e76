"""Progress in a log: a line at once, then one every so often, with the time left."""

import sys

from pdm_tf import progress as room


def test_a_log_gets_a_line_at_once_and_one_now_and_then(capsys, monkeypatch):
    monkeypatch.setattr(room, "EVERY", 0.0)
    for _ in room.progress(range(3), "sampling", "pictures"):
        pass
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("sampling: 0 of 3 pictures")
    assert lines[-1].startswith("sampling: 3 of 3 pictures")
    assert all(" left" in line and "\r" not in line for line in lines)


def test_lines_are_seldom(capsys):
    with room.progress(None, "reading", "pictures", total=1000, done=10) as bar:
        for _ in range(990):
            bar.update()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("reading: 10 of 1000 pictures")


def test_short_work_needs_no_word_and_no_stderr_is_no_fault(capsys, monkeypatch):
    assert list(room.progress([1, 2], "short", delay=2)) == [1, 2]
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys, "stderr", None)
    assert list(room.progress([1, 2], "unheard")) == [1, 2]
