"""Signals ask for a stop; what is ignored stays ignored."""

import os
import signal

import pytest

from pdm_tf.training.interruption import Interruption


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_asks_for_a_stop_and_says_so(number, capsys):
    before = signal.getsignal(number)
    with Interruption() as interruption:
        assert not interruption.requested
        os.kill(os.getpid(), number)
        assert interruption.requested
        assert interruption.preempted == (number != signal.SIGINT)
    assert signal.getsignal(number) is before
    assert "saving a checkpoint first" in capsys.readouterr().err


def test_under_nohup_a_closed_terminal_is_nothing():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interruption() as interruption:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not interruption.requested
    finally:
        signal.signal(signal.SIGHUP, before)


def test_what_runs_in_the_background_can_be_stopped():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as by a shell's &
    try:
        with Interruption() as interruption:
            os.kill(os.getpid(), signal.SIGINT)
            assert interruption.requested
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_nobody_need_be_there_to_read(monkeypatch):
    monkeypatch.setattr("sys.stderr", None)
    with Interruption() as interruption:
        os.kill(os.getpid(), signal.SIGTERM)
        assert interruption.requested
