"""The command of every room whose methods derive models: parse, derive, report.

Loads no TensorFlow before the flags are read. A room's __main__ is

    def main(argv: list[str]) -> int:
        return run_method(argv, METHODS, __doc__)

with METHODS of `pdm_tf.config.ROOM`: name -> dataclass of the method's own flags. The
room's own METHODS has the same names, each with the path of its module.
"""

from collections.abc import Mapping
from pathlib import Path

from pdm_tf import flags
from pdm_tf.config import DeriveConfig
from pdm_tf.errors import SettingError
from pdm_tf.progress import say

_WANTED = {
    "base": "a model, such as the directory of a run",
    "out": "a new directory",
}


def run_method(argv: list[str], methods: Mapping[str, type], description: str) -> int:
    """Derives a model as a command line says; returns the exit code.

    Args:
      argv: program, method, flags.
      methods: name -> dataclass of its own flags.
      description: first words of the help.

    Raises:
      InputError: flags, base or directory that do not fit each other.
    """
    name, (shared, own) = flags.parse_method(
        argv, methods, DeriveConfig, description=description
    )
    for setting in ("base", "out"):
        if not getattr(shared, setting):
            raise SettingError(setting, None, "is missing: name " + _WANTED[setting])
    say("loading TensorFlow …")
    from pdm_tf.assemble.derivation_report import check_report, write_report
    from pdm_tf.assemble.deriving import derive
    from pdm_tf.assemble.model_card import write_card
    from pdm_tf.assemble.models import open_model

    check_report(shared)
    ending = derive(name, shared.base, shared.out, own)
    if not ending:
        print(f"stopped and saved; the same command resumes {shared.out}")
        return 0 if ending.name == "PREEMPTED" else 130
    if shared.report_images:
        print(write_report(shared))
    write_card(open_model(shared.out), Path(shared.out))
    print(f"derived model in {Path(shared.out)}; use it like a run's directory")
    return 0
