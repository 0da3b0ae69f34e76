"""The record of a run as a flagfile: sealed, and at home wherever the run lies.

A record's first line says that its last one seals it, so that whatever is missing or
changed is noticed. Records of version 0.1 have no seal; they end with their last room.
"""

import hashlib
import re
from pathlib import Path

from pdm_tf.config import Config
from pdm_tf.errors import InputError
from pdm_tf.flags.writing import to_flagfile

NAME = "config.flags"
_FIRST = "The record of this run, sealed by its last line; resume it with"
_OF_MODEL = (
    "The record of the training, sealed by its last line; train such a model again with"
)
_FORMERLY = "# The record of this run; resume it with\n"
_SEAL = "# seal: "
_RUN_DIR = re.compile(r"^--run_dir=.*$", re.MULTILINE)


def to_record(config: Config, command: str, of_model: bool = False) -> str:
    """The text of a run's record.

    Args:
      config: the run's settings.
      command: what resumes it.
      of_model: it goes with a trained model, which is not trained on; `command` is
        what made it.
    """
    text = to_flagfile(config, f"{_OF_MODEL if of_model else _FIRST}\n{command}")
    return f"{text}\n{_SEAL}{_sum(text)}\n"


def located(path: Path, text: str) -> str:
    """A flagfile's text; that of a run's record names the directory that it lies in.

    Raises:
      InputError: a record that is not as it was written.
    """
    if path.name != NAME:
        return text
    if not is_record(text) and not (path.parent / "checkpoints").is_dir():
        return text  # somebody's own, which happens to have the name
    check_record(path, text)
    return _RUN_DIR.sub(lambda _: f"--run_dir={path.parent}", text)


def is_record(text: str) -> bool:
    """Whether a text begins as records do."""
    return text.startswith((f"# {_FIRST}\n", _FORMERLY))


def check_record(path: Path, text: str) -> None:
    """Raises InputError for a record that was changed or cut short."""
    body, mark, seal = text.rpartition(f"\n{_SEAL}")
    sealed = mark or text.startswith((f"# {_FIRST}\n", f"# {_OF_MODEL}\n"))
    whole = mark and seal.strip() == _sum(body) if sealed else _ends(text)
    if not whole:
        raise InputError(
            f"{path} is not as it was written: {'changed or ' if mark else ''}cut "
            "short; put back a copy of it; to change a setting give it on the command "
            "line, behind the file"
        )


def _ends(text: str) -> bool:
    """Whether a record without seal has the last line that version 0.1 wrote."""
    return text.endswith("\n") and "\n--variance=" in text


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
