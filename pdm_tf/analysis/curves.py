"""The loss of a training over its steps, from the run's own record."""

from pathlib import Path

import numpy as np

LOSS = "loss/simple"


def read_curve(run_dir: str | Path) -> dict[int, float]:
    """Step -> loss, a mean over the steps since the record before.

    Read from TensorBoard's files in RUN_DIR/logs. Where a training was cut off and
    resumed, what it did twice counts once.
    """
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    events = EventAccumulator(str(Path(run_dir) / "logs"), {"tensors": 0})
    events.Reload()
    # Files are read by name, and names do not tell which was written later.
    found = {
        event.step: float(make_ndarray(event.tensor_proto))
        for event in sorted(events.Tensors(LOSS), key=lambda event: event.wall_time)
    }
    return dict(sorted(found.items()))


def tail_mean(losses: np.ndarray, part: float = 0.2) -> float:
    """The mean over the last part of a curve [S]."""
    count = max(1, round(part * len(losses)))
    return float(np.mean(losses[-count:]))
