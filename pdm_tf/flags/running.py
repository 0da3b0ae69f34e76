"""How a command ends: an exit code, and one line where its input was bad."""

import os
import sys
from collections.abc import Callable, Sequence

from pdm_tf.errors import InputError, SettingError

# What only some commands need: name of the import -> of the package, and the extra of
# ours that brings it.
OPTIONAL = {
    "matplotlib": ("matplotlib", "figures"),
    "skimage": ("scikit-image", "photos"),
    "sklearn": ("scikit-learn", "photos"),
    "ai_edge_litert": ("ai-edge-litert", "litert"),
    "ai_edge_quantizer": ("ai-edge-quantizer", "litert"),
    "lmdb": ("lmdb", "lsun"),
}


def run(
    main: Callable[[list[str]], int | None], argv: Sequence[str] | None = None
) -> None:
    """Runs a command: bad input is one line on stderr and exit code 2.

    Args:
      main: takes the program's name and its arguments; its exit code, or None for 0.
      argv: what it takes; None: the command line.
    """
    # TensorFlow's notes on the processor would bury the line that matters.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        code = main(list(sys.argv if argv is None else argv))
    except InputError as error:
        print(f"error: {format_error(error)}", file=sys.stderr)
        code = 2
    except ModuleNotFoundError as error:
        package = OPTIONAL.get((error.name or "").partition(".")[0])
        if not package:
            raise
        print(f"error: {format_missing(package)}", file=sys.stderr)
        code = 2
    except BrokenPipeError:
        code = 1
    raise SystemExit(code or 0)


def format_missing(package: tuple[str, str]) -> str:
    """One line on a package that is not installed."""
    name, extra = package
    return f"{name} is not installed; pip install {name}, or pdm_tf[{extra}] with it"


def format_error(error: InputError) -> str:
    """One line. Rooms name settings; here, where they are flags, they get dashes."""
    text = error.text("--") if isinstance(error, SettingError) else str(error)
    return " ".join(text.split())
