"""A trained model as a SavedModel that serves sampling anywhere, or as a file.

Runs as `python -m pdm_tf.export`, whose help loads no TensorFlow; hence nothing is
imported.
"""

from typing import Any

__all__ = ["export_saved_model"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'pdm_tf.export' has no attribute {name!r}")
    from pdm_tf.export.saved_model import export_saved_model

    return export_saved_model
