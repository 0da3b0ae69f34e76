"""Settings -> what happens in a training beside its steps."""

import os
import platform
from pathlib import Path

import tensorflow as tf

from pdm_tf import flags
from pdm_tf.assemble.measuring import Measuring, Shown
from pdm_tf.assemble.state import Progress
from pdm_tf.config import Config
from pdm_tf.training.events import Event
from pdm_tf.training.reports import warning_of_a_full_disk
from pdm_tf.training.snapshots import write_snapshots
from pdm_tf.version import __version__


def build_events(config: Config, state: Progress, shown: Shown) -> list[Event]:
    """The events of a training, in the order in which they happen."""
    events = [_snapshots(config, state)] if state.further.by_length else []
    every = config.monitoring.evaluate_every
    if every:
        events.append(Event(every, Measuring(config, shown).happen))
    return events


def _snapshots(config: Config, state: Progress) -> Event:
    """Writes the averages by length, for post-hoc EMA."""
    directory, averages = Path(config.training.run_dir), state.further.by_length

    def write(step: int) -> None:
        with warning_of_a_full_disk("snapshots of averages"):
            write_snapshots(directory, averages, step)

    thirtieth = max(config.training.iterations // 30, 1)
    return Event(config.averaging.snapshot_every or thirtieth, write)


def describe_training(config: Config) -> dict[str, str]:
    """Texts that whoever looks at curves wants beside them, in Markdown, by name."""
    devices = [device.name for device in tf.config.list_logical_devices()]
    machine = [
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        *devices,
        f"pdm_tf {__version__}, TensorFlow {tf.__version__}",
    ]
    return {
        "settings": _indented(flags.to_flagfile(config).splitlines()),
        "hardware": _indented(machine),
    }


def _indented(lines: list[str]) -> str:
    """Lines that Markdown leaves as they are."""
    return "\n".join(f"    {line}" for line in lines)
