"""Small additions to a network's layers, trained in the place of its weights.

Methods are loaded by name, so that a command line can list them without TensorFlow.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pdm_tf.adapters.lora import Lora, lora_plan, rescaled
    from pdm_tf.adapters.merging import merge, unmerge

METHODS: dict[str, str] = {"add": "pdm_tf.adapters.add"}
_HOMES = dict.fromkeys(("Lora", "lora_plan", "rescaled"), "lora")
_HOMES |= dict.fromkeys(("merge", "unmerge"), "merging")

__all__ = ["METHODS", "Lora", "lora_plan", "merge", "rescaled", "unmerge"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'pdm_tf.adapters' has no attribute {name!r}")
    return getattr(import_module(f"pdm_tf.adapters.{_HOMES[name]}"), name)
