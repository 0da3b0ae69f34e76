"""Pictures on request, from a denoiser, a SavedModel or another runtime's file alike.

Names load on first use: a SavedModel needs no Keras, `LitertNetwork` and
`OpenvinoNetwork` no TensorFlow.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "DenoiserGenerator": "denoiser_generator",
    "HttpGenerator": "http_generator",
    "ImageGenerator": "generator",
    "LitertGenerator": "litert_generator",
    "LitertNetwork": "litert_network",
    "OpenvinoGenerator": "openvino_generator",
    "OpenvinoNetwork": "openvino_network",
    "SavedModelGenerator": "saved_model_generator",
    "SavedSampler": "saved_model_generator",  # its name of before
    "describe": "description",
    "generate_many": "generator",
    "is_export": "opening",
    "open_generator": "opening",
    "write_samples": "client",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'pdm_tf.serving' has no attribute {name!r}")
    return getattr(import_module(f"pdm_tf.serving.{_HOMES[name]}"), name)
