"""Small additions to a network's layers, trained in the place of its weights."""

from pdm_tf.adapters.lora import Lora, lora_plan, rescaled
from pdm_tf.adapters.merge import merge, unmerge

__all__ = ["Lora", "lora_plan", "merge", "rescaled", "unmerge"]
