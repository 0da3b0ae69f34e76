"""Settings -> objects, paths -> models: the only room that knows all others.

A run directory holds config.flags (its record), checkpoints/, samples/, logs/ and
export/; that of a split or derived model holds model.json, of the latter also
weights.safetensors. Names load on first use, so that a command can ask for its flags
before TensorFlow is there.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "OpenedModel": "models",
    "derive": "deriving",
    "export_for_serving": "exporting",
    "export_litert": "network_export",
    "export_network": "network_export",
    "export_run": "exporting",
    "join_runs": "models",
    "open_generator": "generators",
    "open_model": "models",
    "read_settings": "runs",
    "restore": "models",
    "settings_of": "models",
    "train": "training",
    "train_objective": "training",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'pdm_tf.assemble' has no attribute {name!r}")
    return getattr(import_module(f"pdm_tf.assemble.{_HOMES[name]}"), name)
