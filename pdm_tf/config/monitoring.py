"""What is measured while a run trains, and who is shown it."""

from dataclasses import dataclass

from pdm_tf.config.options import Criterion, option
from pdm_tf.config.sampling import WATCHED


@dataclass(frozen=True)
class MonitoringConfig:
    """Metrics during training, what they decide, and where curves go."""

    evaluate_every: int = option(
        0,
        "Steps between two measurements of the averaged weights' pictures: Fréchet "
        "distance, KID, precision, recall; the last step always has one; 0: none.",
        low=0,
    )
    evaluate_images: int = option(200, "Pictures of a measurement.", low=10)
    evaluate_steps: int = option(
        WATCHED.steps, f"Steps of {WATCHED.sampler} for these.", low=1
    )
    evaluate_features: str = option(
        "auto",
        "Features for these: auto, digits, random, keras:FILE, dinov2:FILE or "
        "clip:FILE, as in evaluation.",
    )
    best_by: Criterion = option(
        "frechet",
        "Metric by which the best weights so far are kept in RUN_DIR/best, a model of "
        "its own.",
    )
    stop_after: int = option(
        0,
        "End the training after so many measurements without a better one; 0: never.",
        low=0,
    )
    reports: tuple[str, ...] = option(
        ("tensorboard",),
        "Who is shown curves, pictures and settings: tensorboard, wandb, mlflow; "
        "several with commas.",
    )
