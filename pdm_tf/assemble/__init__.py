"""Settings -> objects, run directory -> denoiser: the only room that knows all others.

A run directory holds config.flags (its record), checkpoints/, samples/, logs/ and
export/; a split's directory holds split.json.
"""

from pdm_tf.assemble.exporting import export_run
from pdm_tf.assemble.generators import open_generator
from pdm_tf.assemble.litert import export_litert
from pdm_tf.assemble.models import (
    OpenedModel,
    join_runs,
    open_model,
    restore,
    settings_of,
)
from pdm_tf.assemble.runs import read_settings
from pdm_tf.assemble.training import train

__all__ = [
    "OpenedModel",
    "export_litert",
    "export_run",
    "join_runs",
    "open_generator",
    "open_model",
    "read_settings",
    "restore",
    "settings_of",
    "train",
]
