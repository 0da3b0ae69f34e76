"""Trains a small network in one of many ways and writes its numbers to a file.

python tests/ways.py OUT WAY …: some of `WAYS`, or multi_worker alone.
"""

import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import tensorflow as tf

from pdm_tf.assemble.building import named_variables
from pdm_tf.assemble.state import build_state, build_trainer
from pdm_tf.config import Config, DataConfig, TrainingConfig, UNetConfig
from pdm_tf.data.pipeline import training_batches
from pdm_tf.data.reading import InMemory
from pdm_tf.training.batch_sharding import distributed
from pdm_tf.training.coordination import Coordination
from pdm_tf.training.distribution import choose_strategy

STEPS = 20
SMALL = Config(
    data=DataConfig(horizontal_flip=True),
    network=UNetConfig(
        image_shape=(8, 8, 1),
        patch_size=2,
        # 18 groups of two channels. A bias that groups of one would normalise away
        # has gradients of rounding errors alone, which Adam blows up.
        width=36,
        channel_multipliers=(1.0,),
        blocks_per_level=1,
        attention_resolutions=(),
        num_classes=3,
    ),
    training=TrainingConfig(
        batch_size=12, clip_norm=0.5, ema_every=2, warmup=5, learning_rate=1e-3
    ),
)
WAYS = {
    "one": {},
    "mirrored2": {"devices": "CPU:0,CPU:1"},
    "mirrored4": {"devices": "CPU:0,CPU:1,CPU:2,CPU:3"},
    "micro": {"microbatch": 3},
    "remat": {"remat": True},
    "both": {"devices": "CPU:0,CPU:1", "microbatch": 2, "remat": True},
}


def source(pictures=30):
    """Noise, each picture with its own number as its label where there is room."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 255, (pictures, 8, 8, 1)).astype(np.uint8)
    return InMemory("noise", x, (np.arange(pictures) % 3).astype(np.int32))


def numbers(strategy, settings):
    """Weights, averages, slots and metrics after some steps."""
    training = replace(SMALL.training, **settings)
    config, data = replace(SMALL, training=training), source()
    state = build_state(config, strategy)
    trainer = build_trainer(config, strategy, state)

    def shard_of(shard):
        flip, size = config.data.horizontal_flip, training.batch_size
        return training_batches(data, size, training.seed, 0, flip, shard)

    metrics = trainer.run_steps(distributed(strategy, shard_of), tf.constant(STEPS))
    named = named_variables(state.denoiser.network)
    found = {path: v.read_value().numpy() for path, v in named.items()}
    found |= {f"ema {path}": v.numpy() for path, v in state.average.weights.items()}
    found |= {f"m {p}": v.read_value().numpy() for p, v in state.optimizer.m.items()}
    for name, metric in {**metrics._asdict(), **metrics.terms}.items():
        if name != "terms":
            found[f"metric {name}"] = metric.numpy()
    found["step"] = state.step.read_value().numpy()
    return found


def main(out, *ways):
    if ways == ("multi_worker",):
        strategy = choose_strategy("multi_worker")
        found = numbers(strategy, {})
        np.savez(Path(out) / f"worker{strategy.cluster_resolver.task_id}.npz", **found)
        Coordination(strategy).wait()
        return
    # Makes the logical devices, before TensorFlow runs.
    most = max((WAYS[way].get("devices", "") for way in ways), key=len)
    if most:
        choose_strategy("mirrored", most)
    for way in ways:
        settings = dict(WAYS[way])
        devices = settings.pop("devices", "")
        strategy = choose_strategy("mirrored" if devices else "default", devices)
        np.savez(Path(out) / f"{way}.npz", **numbers(strategy, settings))


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    main(*sys.argv[1:])
