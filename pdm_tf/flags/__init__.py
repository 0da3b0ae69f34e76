"""Dataclasses of `pdm_tf.config` <-> command-line flags <-> flagfiles.

The only importer of absl.flags. A field `width: int = option(64, "…")` is the flag
`--width`. In a flagfile each line is one `--name=value`; lines that begin with # are
comments; what comes later wins, so overrides follow `--flagfile`.
"""

import pdm_tf.flags.early  # noqa: F401  (what follows takes a while)
from pdm_tf.flags.flagfiles import given
from pdm_tf.flags.methods import Own, parse_method
from pdm_tf.flags.outputs import check_output
from pdm_tf.flags.parsing import UnknownFlagError, parse
from pdm_tf.flags.records import check_record, to_record
from pdm_tf.flags.running import run
from pdm_tf.flags.writing import to_flagfile

__all__ = [
    "Own",
    "UnknownFlagError",
    "check_output",
    "check_record",
    "given",
    "parse",
    "parse_method",
    "run",
    "to_flagfile",
    "to_record",
]
