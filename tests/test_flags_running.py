"""How commands end: one line, its code, whatever the streams and names are."""

import errno
import io
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pdm_tf import flags
from pdm_tf.errors import InputError, explain, printable

ROOT = Path(__file__).resolve().parent.parent


class FakeError(Exception):
    """As TensorFlow has them."""


FakeError.__module__ = "tensorflow.python.framework.errors_impl"
FakeError.__name__ = "ResourceExhaustedError"


def unencodable():
    """What comes of a name that is no UTF-8."""
    try:
        "caf\udce9/a.png".encode()
    except UnicodeEncodeError as error:
        return error


def ended(main):
    """A command's exit code."""
    with pytest.raises(SystemExit) as end:
        flags.run(main, ["program"])
    return end.value.code


def raising(error):
    def main(argv):
        raise error

    return main


@pytest.fixture
def handlers():
    """Those of Ctrl-C as they were."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


# --- names ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("café ☃\n\tb\n", "café ☃\n\tb\n"),
        ("\x1b[2Jgone\x07", "\\x1b[2Jgone\\x07"),
        ("a\rb", "a\\rb"),
        ("caf\udce9", "caf\\xe9"),
        ("\x9b31m", "\\x9b31m"),
        ("gpj\u202egnp", "gpj\\u202egnp"),
        ("\ud800", "\\ud800"),
    ],
)
def test_nothing_in_a_name_acts_on_a_terminal(text, shown, capsys):
    def main(argv):
        print(text, end="")
        raise InputError(f"{text}: no")

    assert ended(main) == 2
    out, err = capsys.readouterr()
    assert out == shown
    line = " ".join(f"{text}: no".split())
    assert err == f"error: {printable(line)}\n"


def test_progress_bars_still_move(capsys):
    def main(argv):
        sys.stderr.write("\r 10 %|##  |")
        sys.stderr.write("\r           \r")
        sys.stderr.write("\n\x1b[A")

    assert ended(main) == 0
    assert capsys.readouterr().err == "\r 10 %|##  |\r           \r\n\x1b[A"


def test_a_terminal_of_ascii_alone_takes_every_name(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
    monkeypatch.setattr(sys, "stdout", stream)
    assert ended(lambda argv: print("Fréchet ☃ caf\udce9")) == 0
    assert stream.buffer.getvalue() == b"Fr\\xe9chet \\u2603 caf\\xe9\n"


def test_an_argument_that_is_no_text_is_refused_by_name(capsys):
    from pdm_tf.commands.sample import main

    with pytest.raises(SystemExit) as end:
        flags.run(main, ["program", "--model=caf\udce9"])
    assert end.value.code == 2
    assert capsys.readouterr().err == (
        "error: --model=caf\\xe9: is no UTF-8; rename the file or folder\n"
    )


# --- what the machine refuses ---------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "a.png"), "the disk is full"),
        (OSError(errno.EFBIG, "File too large"), "the disk is full"),
        (OSError(errno.EACCES, "Permission denied", "out"), "out: Permission denied"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "f/x"), "f/x: Not a dir"),
        (MemoryError(), "not enough memory"),
        (unencodable(), "caf\\xe9/a.png: is no UTF-8; rename"),
        (FakeError("OOM when allocating tensor"), "not enough memory"),
        (FakeError("/mnt/x: No space left on device"), "the disk is full"),
    ],
)
def test_what_the_machine_refuses_is_one_line_with_its_reason(error, words, capsys):
    assert ended(raising(error)) == 2
    line = capsys.readouterr().err
    assert line.startswith(f"error: {words}") and line.count("\n") == 1
    assert str(getattr(error, "filename", None) or "") in line
    assert ("memory" in line) == ("memory" in words)


def test_a_reason_is_not_cut_off_and_a_fault_of_ours_is_not_hidden():
    long = "No space left on device " + "x" * 500
    assert long in (explain(OSError(errno.ENOSPC, long)) or "")
    assert explain(ValueError("bad")) is None and explain(OSError("odd")) is None
    with pytest.raises(KeyError):
        flags.run(raising(KeyError("ours")), ["program"])


# --- signals and streams --------------------------------------------------------------


def test_ctrl_c_is_one_line_and_130(capsys, handlers):
    assert ended(raising(KeyboardInterrupt("the same command goes on"))) == 130
    assert capsys.readouterr().err.strip() == "stopped; the same command goes on"


def test_ctrl_c_that_a_library_makes_an_error_of_is_still_ctrl_c(capsys, handlers):
    # What a shell runs in the background starts with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def main(argv):
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            raise ImportError("numpy failed to import") from None

    assert ended(main) == 130
    assert capsys.readouterr().err.strip() == "stopped"
    assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL  # the second ends at once


def test_handlers_are_as_before_and_threads_may_run_commands(handlers):
    before = signal.getsignal(signal.SIGINT)
    assert ended(lambda argv: None) == 0
    assert signal.getsignal(signal.SIGINT) is before
    codes = []
    thread = threading.Thread(target=lambda: codes.append(ended(lambda argv: 3)))
    thread.start()
    thread.join()
    assert codes == [3]


def test_nobody_reads_the_progress_any_more_and_work_goes_on(monkeypatch):
    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Closed())
    assert ended(lambda argv: print("10 %", file=sys.stderr)) == 0
    monkeypatch.setattr(sys, "stderr", None)
    assert ended(lambda argv: print("10 %", file=sys.stderr)) == 0


def test_nobody_reads_the_results_any_more_and_it_ends_quietly(monkeypatch, capsys):
    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Closed())
    assert ended(lambda argv: print("a table")) == 1
    assert capsys.readouterr().err == ""


SHELL = """
set -o pipefail
"$PY" -m pdm_tf sample --help | head -1 >/dev/null
"$PY" -m pdm_tf sample --help >&- 2>&- <&-; echo "closed $?"
"$PY" -m pdm_tf sample --seed=x 2>&-; echo "refused $?"
"$PY" -m pdm_tf sample --help >/dev/full; echo "full $?"
"""


def test_in_a_shell_nothing_is_said_of_closed_streams():
    done = subprocess.run(
        ["bash", "-c", SHELL],
        cwd=ROOT,
        env={**os.environ, "PY": sys.executable},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "closed 0\nrefused 2\nfull 2\n"
    assert done.stderr.startswith("error: the disk is full (")
    assert done.stderr.count("\n") == 1
