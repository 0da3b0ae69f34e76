"""Teaches a model to need fewer evaluations.

Example: python -m pdm_tf.distillation guidance_lora --base=pretrained:mnist --out=DIR
"""

from pdm_tf import flags
from pdm_tf.assemble.method_command import run_method
from pdm_tf.config.distillation import METHODS


def main(argv: list[str]) -> int:
    """Derives a model that needs fewer evaluations, by training; resumes it."""
    return run_method(argv, METHODS, __doc__ or "")


if __name__ == "__main__":
    flags.run(main)
