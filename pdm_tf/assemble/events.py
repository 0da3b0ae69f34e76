"""Settings -> what happens in a training beside its steps."""

from pathlib import Path

from pdm_tf.assemble.state import Progress
from pdm_tf.config import Config
from pdm_tf.training.events import Event
from pdm_tf.training.reports import warning_of_a_full_disk
from pdm_tf.training.snapshots import write_snapshots


def build_events(config: Config, state: Progress) -> list[Event]:
    """The events of a training, in the order in which they happen."""
    averages = state.further.by_length
    return [_snapshots(config, state)] if averages else []


def _snapshots(config: Config, state: Progress) -> Event:
    """Writes the averages by length, for post-hoc EMA."""
    directory, averages = Path(config.training.run_dir), state.further.by_length

    def write(step: int) -> None:
        with warning_of_a_full_disk("snapshots of averages"):
            write_snapshots(directory, averages, step)

    sixteenth = max(config.training.iterations // 16, 1)
    return Event(config.averaging.snapshot_every or sixteenth, write)
