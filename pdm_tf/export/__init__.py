"""A trained model as a SavedModel that serves sampling anywhere."""

from pdm_tf.export.saved_model import export_saved_model

__all__ = ["export_saved_model"]
