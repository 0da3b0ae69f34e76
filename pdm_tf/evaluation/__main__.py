"""python -m pdm_tf.evaluation --samples=PICTURES --reference=PICTURES: how alike?

Examples: the floor of the distance on digits, and a trained model against them:
  python -m pdm_tf.evaluation --samples=mnist@test --reference=mnist
  python -m pdm_tf.evaluation --samples=runs/mnist --num_images=1000 --reference=mnist
The likelihood of held-out digits under a run or split:
  python -m pdm_tf.evaluation --likelihood --run_dir=runs/mnist --reference=mnist
"""

from pdm_tf import flags
from pdm_tf.config import EvaluationConfig, InputError


def main(argv: list[str]) -> None:
    """Judges pictures, prints a table and writes JSON."""
    (config,) = flags.parse(argv, EvaluationConfig, description=__doc__ or "")
    if config.run_dir and not config.likelihood:
        raise InputError(
            f"--run_dir={config.run_dir}: only --likelihood asks for it; add that, or "
            "give --samples"
        )
    print(_likelihood(config) if config.likelihood else _figures(config))
    print(f"report in {config.out}")


def _figures(config: EvaluationConfig) -> str:
    from pdm_tf.evaluation.evaluate import evaluate  # loads TensorFlow; --help is quick
    from pdm_tf.evaluation.report import format_report

    return format_report(evaluate(config))


def _likelihood(config: EvaluationConfig) -> str:
    from pdm_tf.assemble import restore, settings_of
    from pdm_tf.evaluation import likelihood_report

    likelihood_report.check(config)
    variance = settings_of(config.run_dir).sampling.variance
    denoise = restore(config.run_dir)
    made = likelihood_report.judge_likelihood(config, denoise, variance)
    return likelihood_report.format_likelihood(made)


if __name__ == "__main__":
    flags.run(main)
