"""TensorFlow as a command that only samples needs it: ready sooner."""

import sys
from types import ModuleType
from typing import Any

# What Keras and TensorFlow import where it is installed, for wrappers, galleries, fits
# that sampling has no use for: half as long as importing TensorFlow itself.
_ASIDE = ("sklearn", "matplotlib", "pandas", "scipy")


def start_tensorflow() -> ModuleType:
    """The module tensorflow, imported without what Keras brings along.

    For processes of commands alone, which end with their work: Keras' wrappers for
    scikit-learn do not work in them. What was put aside can be imported afterwards.
    """
    aside: dict[str, Any] = {name: None for name in _ASIDE if name not in sys.modules}
    sys.modules.update(aside)
    try:
        import tensorflow as tf
    finally:
        for name in aside:
            del sys.modules[name]
    # Copies functions for each place that calls them, which ours are kept apart from:
    # the same bits and speed without it, a third of a first picture's time with it.
    tf.config.optimizer.set_experimental_options({"function_optimization": False})
    return tf
