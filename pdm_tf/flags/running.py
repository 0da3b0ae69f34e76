"""How a command ends: an exit code, and one line where its input was bad."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

from pdm_tf.errors import InputError, SettingError, explain
from pdm_tf.flags.terminal import safe_streams, silence
from pdm_tf.progress import ABANDONED

# What only some commands need: name of the import -> of the package, and the extra of
# ours that brings it.
OPTIONAL = {
    "matplotlib": ("matplotlib", "figures"),
    "skimage": ("scikit-image", "photos"),
    "sklearn": ("scikit-learn", "photos"),
    "ai_edge_litert": ("ai-edge-litert", "litert"),
    "ai_edge_quantizer": ("ai-edge-quantizer", "litert"),
    "lmdb": ("lmdb", "lsun"),
    "apache_beam": ("apache-beam", "beam"),
    "openvino": ("openvino", "openvino"),
    "imageio_ffmpeg": ("imageio-ffmpeg", "films"),
    "wandb": ("wandb", "wandb"),
    "mlflow": ("mlflow", "mlflow"),
    "gradio": ("gradio", "web"),
}


STOPPED = 130  # the exit code of what Ctrl-C has ended, as shells have it


def run(
    main: Callable[[list[str]], int | None], argv: Sequence[str] | None = None
) -> None:
    """Runs a command: bad input is one line on stderr and exit code 2.

    So is what the machine refuses: a full disk, too little memory. Ctrl-C is one line
    and exit code 130; output that nobody reads any more ends it without a word.

    Args:
      main: takes the program's name and its arguments; its exit code, or None for 0. A
        KeyboardInterrupt that it raises may say how to go on.
      argv: what it takes; None: the command line.
    """
    # TensorFlow's notes on the processor would bury the line that matters.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with safe_streams(), _first_interrupt() as interrupted:
        code = _run(main, list(sys.argv if argv is None else argv), interrupted)
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            silence(sys.stdout)
            code = code or 1
        except OSError as error:
            silence(sys.stdout)
            code = _fail(explain(error) or str(error))
        if code == STOPPED and any(t.name == ABANDONED for t in threading.enumerate()):
            sys.stderr.flush()
            os._exit(code)  # a call of a graph cannot be stopped, only left
    raise SystemExit(code)


def _run(
    main: Callable[[list[str]], int | None], argv: list[str], interrupted: list[bool]
) -> int:
    """The exit code of a command, once what is to be said of its end is said."""
    try:
        return main(argv) or 0
    except SystemExit as end:
        return _code_of(end)
    except InputError as error:
        return _fail(format_error(error))
    except KeyboardInterrupt as error:
        return _stopped(str(error))
    except BrokenPipeError:
        silence(sys.stdout)
        return 1
    except Exception as error:
        if interrupted:  # libraries turn a KeyboardInterrupt into errors of their own
            return _stopped("")
        package = _missing(error)
        said = format_missing(package) if package else explain(error)
        if said is None:
            raise
        return _fail(said)


def _code_of(end: SystemExit) -> int:
    if end.code is None or isinstance(end.code, int):
        return end.code or 0
    return _fail(str(end.code))


def _fail(text: str) -> int:
    print(f"error: {text}", file=sys.stderr)
    return 2


def _stopped(hint: str) -> int:
    print(f"\nstopped{'; ' if hint else ''}{hint}", file=sys.stderr)
    return STOPPED


@contextlib.contextmanager
def _first_interrupt() -> Iterator[list[bool]]:
    """Ctrl-C raises once, and is noted; the second ends the process at once."""
    noted: list[bool] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        noted.append(True)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        raise KeyboardInterrupt

    ours = threading.current_thread() is threading.main_thread()
    ours = ours and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
    if not ours:  # as for a background job, which shells shield
        yield noted
        return
    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield noted
    finally:
        if not noted:
            signal.signal(signal.SIGINT, before)


def _missing(error: Exception) -> tuple[str, str] | None:
    """The package of an extra that was not found."""
    if not isinstance(error, ModuleNotFoundError):
        return None
    return OPTIONAL.get((error.name or "").partition(".")[0])


def format_missing(package: tuple[str, str]) -> str:
    """One line on a package that is not installed."""
    name, extra = package
    return f"{name} is not installed; pip install {name}, or pdm_tf[{extra}] with it"


def format_error(error: InputError) -> str:
    """One line. Rooms name settings; here, where they are flags, they get dashes."""
    text = error.text("--") if isinstance(error, SettingError) else str(error)
    return " ".join(text.split())
