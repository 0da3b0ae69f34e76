"""Dataclasses of `pdm_tf.config` <-> command-line flags <-> flagfiles.

The only importer of absl.flags. A field `width: int = option(64, "…")` is the flag
`--width`. In a flagfile each line is one `--name=value`; lines that begin with # are
comments; what comes later wins, so overrides follow `--flagfile`.
"""

from pdm_tf.flags.methods import Own, parse_method
from pdm_tf.flags.parsing import UnknownFlagError, parse
from pdm_tf.flags.running import run
from pdm_tf.flags.writing import to_flagfile

__all__ = ["Own", "UnknownFlagError", "parse", "parse_method", "run", "to_flagfile"]
