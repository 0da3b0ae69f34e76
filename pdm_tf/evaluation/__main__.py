"""python -m pdm_tf.evaluation --samples=PICTURES --reference=PICTURES: how alike?

Examples: the floor of the distance on digits, and a trained model against them:
  python -m pdm_tf.evaluation --samples=mnist@test --reference=mnist
  python -m pdm_tf.evaluation --samples=runs/mnist --num_images=1000 --reference=mnist
"""

from pdm_tf import flags
from pdm_tf.config import EvaluationConfig


def main(argv: list[str]) -> None:
    """Judges pictures, prints a table and writes JSON."""
    (config,) = flags.parse(argv, EvaluationConfig, description=__doc__ or "")
    from pdm_tf.evaluation.evaluate import evaluate  # loads TensorFlow; --help is quick
    from pdm_tf.evaluation.report import format_report

    print(format_report(evaluate(config)))
    print(f"report in {config.out}")


if __name__ == "__main__":
    flags.run(main)
