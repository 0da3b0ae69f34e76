"""Prepares a folder or an archive of pictures as a data set, or measures its reading.

Examples:
  python -m pdm_tf.data --source=PATH --image_size=256 --out=DIR [--labels]
  python -m pdm_tf.data --measure --dataset=tfds:DIR --image_shape=256,256,3
"""

import sys
import tempfile
from dataclasses import replace

from pdm_tf import flags
from pdm_tf.config import Config, PrepareConfig
from pdm_tf.errors import SettingError


def main(argv: list[str]) -> int:
    """Reads the flags and prepares or measures."""
    prepare, config = flags.parse(
        argv, PrepareConfig, Config, description=__doc__ or ""
    )
    if prepare.measure:
        return _measure(prepare, config)
    return _prepare(prepare)


def _prepare(config: PrepareConfig) -> int:
    from pdm_tf.data.preparation.prepare import prepare

    try:
        record = prepare(config)
    except KeyboardInterrupt:
        print("stopped; the same command goes on", file=sys.stderr)
        return 130
    size = sum(shard.size for shard in record.shards)
    print(
        f"{record.pictures:,} pictures in {len(record.shards)} files "
        f"({size / 1e6:,.1f} MB), {len(record.skipped)} broken ones skipped"
    )
    for name in record.skipped[:10]:
        print(f"  skipped: {name}")
    if len(record.skipped) > 10:
        print(f"  … all of them in {record.path}")
    side = f"{config.image_size},{config.image_size},{config.channels}"
    classes = f" --num_classes={len(record.class_names)}" if config.labels else ""
    print(f"look at {record.path.parent}/contact_sheet_{record.split}.png; train with")
    print(f"  --dataset=tfds:{config.out} --image_shape={side}{classes}")
    return 0


def _measure(prepare: PrepareConfig, config: Config) -> int:
    from pdm_tf.data.measuring import measure_reading
    from pdm_tf.data.sources import open_source

    network, data, batch_size = config.network, config.data, config.training.batch_size
    if prepare.measure_seconds <= 0:
        raise SettingError(
            "measure_seconds", prepare.measure_seconds, "give more than 0"
        )
    source = open_source(
        data.dataset,
        network.image_shape,
        network.num_classes,
        data_dir=data.data_dir,
        download=data.download,
    )
    seconds = prepare.measure_seconds
    speed = measure_reading(source, batch_size, seconds, data.horizontal_flip)
    held = "from memory" if speed.in_memory else "from disk"
    print(f"reading {source.name} {held}: {speed.rate:,.0f} pictures/s")
    if prepare.measure_steps:
        from pdm_tf.doctor.throughput import measure_training

        with tempfile.TemporaryDirectory() as run_dir:
            training = replace(config.training, run_dir=run_dir)
            config = replace(config, training=training)
            rate = measure_training(config, source, prepare.measure_steps)
        print(f"training: {rate:,.1f} pictures/s; reading is {speed.rate / rate:.1f}×")
    return 0


if __name__ == "__main__":
    flags.run(main)
