"""A trained model as a SavedModel that serves sampling anywhere."""

from pdm_tf.export.saved_model import Serving, export_saved_model

__all__ = ["Serving", "export_saved_model"]
