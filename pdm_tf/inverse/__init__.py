"""Inverse problems: operators that measure, and solvers, one file a paper.

Runs as `python -m pdm_tf.inverse`, whose help loads no TensorFlow; hence only settings
are imported.
"""

from pdm_tf.config.inverse import ProblemConfig, SimulateConfig

# Method -> what its flags are read into.
METHODS: dict[str, tuple[type, ...]] = {"simulate": (ProblemConfig, SimulateConfig)}
