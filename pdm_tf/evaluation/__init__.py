"""Pictures to numbers: runs as `python -m pdm_tf.evaluation`."""
