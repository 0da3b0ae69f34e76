"""Whether the averaged weights, which draw all pictures, will have learnt anything."""

from collections.abc import Iterator

from pdm_tf.config import TrainingConfig
from pdm_tf.doctor.findings import Finding
from pdm_tf.errors import SettingError
from pdm_tf.training.ema import start_left

_TOO_MUCH = 0.05  # of the start that is left in an average


def judge_average(training: TrainingConfig) -> Iterator[Finding]:
    """How much of the random start is left in the average, at a grid and at the end."""
    left = start_left(training, training.iterations)
    text = f"{left:.0%} of the start is left in the averaged weights at the end"
    advice = None
    if left > _TOO_MUCH:
        advice = SettingError(
            "ema_every",
            training.ema_every,
            f"the average would still be {left:.0%} the start after "
            f"{training.iterations} steps, and its pictures grey; leave it out, or "
            "lower `ema_decay`",
        )
    every = training.sample_every
    if every and every < training.iterations:
        text += f", {start_left(training, every):.0%} at the first grid"
    yield Finding("average", text, advice)
    if training.warmup > training.iterations / 2:
        yield Finding(
            "warm-up",
            f"{training.warmup} of {training.iterations} steps",
            SettingError(
                "warmup",
                training.warmup,
                f"most of the {training.iterations} steps would be spent below the "
                "learning rate; leave it out",
            ),
        )
