"""python -m pdm_tf.distillation METHOD --base=MODEL --out=DIR: teaches a model to need fewer evaluations."""

from pdm_tf import flags
from pdm_tf.assemble.method_command import run_method
from pdm_tf.config.distillation import METHODS


def main(argv: list[str]) -> int:
    """Derives a model that needs fewer evaluations, by training; resumes it."""
    return run_method(argv, METHODS, __doc__ or "")


if __name__ == "__main__":
    flags.run(main)
