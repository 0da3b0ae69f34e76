"""Settings of a training that follow from its length where they are not given.

The values of long trainings are the paper's (Appendix C). A short one that warmed up
for 5,000 steps would end before it began, and its average would still be the start.
"""

_LONG = 200_000  # iterations from which on the paper's learning rate is right


def fitted(iterations: int) -> dict[str, float]:
    """What fits a training, by the names of `TrainingConfig`.

    Args:
      iterations: optimiser steps of the whole training.
    """
    steps = max(iterations, 1)
    rate = min(max(1e-4 * _LONG / steps, 1e-4), 1e-3)
    cadence = min(max(steps // 20, 100), 5000)
    return {
        "learning_rate": float(f"{rate:.2g}"),
        "warmup": min(steps // 50, 5000),
        "ema_every": min(max(steps // 3000, 1), 100),
        "sample_every": cadence,
        "save_every": cadence,
    }
