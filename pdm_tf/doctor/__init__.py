"""Tries out what a long run needs, before the run: python -m pdm_tf.doctor."""
