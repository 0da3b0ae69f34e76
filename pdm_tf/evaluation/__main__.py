"""python -m pdm_tf.evaluation METHOD: how good are pictures, how good is a model?

Examples: the floor of the distance on digits, and a trained model against them:
  python -m pdm_tf.evaluation metrics --samples=mnist@test --reference=mnist
  python -m pdm_tf.evaluation metrics --samples=runs/mnist --num_images=1000 \\
    --reference=mnist
The likelihood of held-out digits, a model beside another, copies of training pictures:
  python -m pdm_tf.evaluation likelihood --model=runs/mnist --reference=mnist
  python -m pdm_tf.evaluation compare --model=runs/cached --reference=runs/mnist
  python -m pdm_tf.evaluation memorisation --samples=runs/mnist --reference=mnist
The rare pictures of a data set:
  python -m pdm_tf.evaluation audit --model=pretrained:mnist --reference=mnist
"""

from typing import Any

from pdm_tf import config as settings
from pdm_tf import flags

METHODS = {
    "metrics": settings.EvaluationConfig,
    "likelihood": settings.LikelihoodConfig,
    "compare": settings.CompareConfig,
    "memorisation": settings.MemorisationConfig,
    "audit": settings.AuditConfig,
    "train_digits": settings.TrainDigitsConfig,
}


def main(argv: list[str]) -> None:
    """Reads the method and its flags; prints a table."""
    method, (config,) = flags.parse_method(
        argv,
        METHODS,
        description=__doc__ or "",
        formerly={"--likelihood": "likelihood"},
        default="metrics",
    )
    print(_run(method, config))
    print(f"written to {config.out}")


def _run(method: str, config: Any) -> str:
    from pdm_tf.evaluation.locations import locate  # --help needs none of these
    from pdm_tf.progress import say

    for setting in ("samples", "reference") if method == "metrics" else ():
        if getattr(config, setting):
            locate(setting, getattr(config, setting))  # what is nowhere needs no wait
    say("loading TensorFlow …")
    from pdm_tf.assemble import evaluating

    return getattr(evaluating, method)(config)


if __name__ == "__main__":
    flags.run(main)
