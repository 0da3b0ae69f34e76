"""How fast pictures are read, beside how fast a network learns from them."""

import tempfile
from collections.abc import Iterator
from dataclasses import replace

from pdm_tf.config import Config, MeasureConfig
from pdm_tf.config.conditioning import conditions_of
from pdm_tf.data.measuring import measure_reading
from pdm_tf.data.sources import open_source
from pdm_tf.errors import SettingError


def measure(own: MeasureConfig, config: Config) -> Iterator[str]:
    """Measures and says what was found, line by line.

    Args:
      own: for how long, and whether to train as well.
      config: settings of a run, whose directory is not used.

    Raises:
      InputError: no such source, or settings that no training can run with.
    """
    network, data, batch_size = config.network, config.data, config.training.batch_size
    if own.measure_seconds <= 0:
        raise SettingError("measure_seconds", own.measure_seconds, "give more than 0")
    source = open_source(
        data.dataset,
        network.image_shape,
        network.num_classes,
        data_dir=data.data_dir,
        download=data.download,
        conditions=conditions_of(network),
    )
    speed = measure_reading(
        source, batch_size, own.measure_seconds, data.horizontal_flip
    )
    held = "from memory" if speed.in_memory else "from disk"
    yield f"reading {source.name} {held}: {speed.rate:,.0f} pictures/s"
    if own.measure_steps:
        from pdm_tf.doctor.throughput import measure_training

        with tempfile.TemporaryDirectory() as run_dir:
            training = replace(config.training, run_dir=run_dir)
            config = replace(config, training=training)
            rate = measure_training(config, source, own.measure_steps)
        yield f"training: {rate:,.1f} pictures/s; reading is {speed.rate / rate:.1f}×"
