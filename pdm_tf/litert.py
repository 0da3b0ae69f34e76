"""The name of before of `pdm_tf.serving.litert_network`; needs no TensorFlow."""

from pdm_tf.serving.litert_network import LitertNetwork, open_file, report_of

__all__ = ["LitertNetwork", "open_file", "report_of"]
