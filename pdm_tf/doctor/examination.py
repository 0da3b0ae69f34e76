"""A run tried out in small: does it fit, does it work, how long will it take?"""

import math
import shutil
import tempfile
import time
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import tensorflow as tf

from pdm_tf.assemble.settings import check_settings, sampler_of_grids
from pdm_tf.assemble.state import State, build_state, build_trainer
from pdm_tf.assemble.training import open_pictures
from pdm_tf.config import Config
from pdm_tf.data.pipeline import training_batches
from pdm_tf.data.sources import Source
from pdm_tf.doctor.averaging import judge_average
from pdm_tf.doctor.findings import (
    MIB,
    Finding,
    denoiser_of_grids,
    describe_shapes,
    estimate_memory,
    judge_precision,
    on_one_device,
    read_some,
)
from pdm_tf.errors import InputError, SettingError
from pdm_tf.profiling.flops import count_denoise_flops
from pdm_tf.profiling.parameters import count_parameters
from pdm_tf.samplers import sample
from pdm_tf.training.batch_sharding import check_batch_sharding, distributed
from pdm_tf.training.distribution import choose_strategy
from pdm_tf.training.expectations import in_words


def examine(config: Config) -> Iterator[Finding]:
    """Tries out a run, in a folder of its own that is removed; yields what it finds.

    Raises:
      InputError: settings, data or devices with which nothing can be tried.
    """
    training = config.training
    strategy = choose_strategy(training.strategy, training.devices, training.tpu)
    check_settings(config)
    replicas = strategy.num_replicas_in_sync
    check_batch_sharding(replicas, training.batch_size, training.microbatch)
    yield Finding("devices", f"{replicas} with strategy {training.strategy}")
    source = open_pictures(config)
    yield read_some(source)
    yield from judge_average(training)
    yield judge_precision(config)
    with tempfile.TemporaryDirectory() as folder:
        tried = replace(config, training=replace(training, run_dir=f"{folder}/run"))
        state = build_state(tried, strategy)
        yield from describe_shapes(config, state.denoiser.network)
        yield from _work(config, tried, strategy, state, source)


def _work(
    config: Config,
    tried: Config,
    strategy: tf.distribute.Strategy,
    state: State,
    source: Source,
) -> Iterator[Finding]:
    """Memory, a training step, a sample, saving; and so the time of it all."""
    training, sampling = config.training, config.sampling
    network = state.denoiser.network
    count = count_parameters(network.variables)
    flops = count_denoise_flops(network, config.network.image_shape) or 0
    yield Finding("parameters", f"{count:,}; {flops / 1e9:.4g} GFLOP a call, a picture")
    trainer = build_trainer(tried, strategy, state)
    yield from estimate_memory(*on_one_device(tried, strategy.num_replicas_in_sync))
    batches = distributed(
        strategy,
        lambda shard: training_batches(
            source, training.batch_size, training.seed, shard=shard
        ),
    )
    metrics = trainer.run_steps(batches, tf.constant(1))
    began = time.perf_counter()
    metrics = trainer.run_steps(batches, tf.constant(1))
    loss = float(metrics.terms["simple"])
    step = time.perf_counter() - began
    advice = None
    if not math.isfinite(loss):
        remedy = f"the loss is {loss}; lower it"
        advice = SettingError("learning_rate", training.learning_rate, remedy)
    rate = training.batch_size / step
    yield Finding(
        "training step", f"{step:.3g} s, {rate:.3g} pictures/s, loss {loss:.4g}", advice
    )
    call = yield from _sample(config, state)
    saving = yield from _save(config, state)
    total = step * training.iterations
    if training.sample_every:
        grids = training.iterations // training.sample_every
        total += grids * call * sampling.sample_steps
    total += math.ceil(training.iterations / training.save_every) * saving
    yield Finding("whole run", f"about {in_words(total)} on this machine")


def _sample(config: Config, state: State) -> Generator[Finding, None, float]:
    """Draws two steps of a grid; returns the seconds of one."""
    sampling, denoise = config.sampling, denoiser_of_grids(config, state)
    grid, seeds = state.denoiser.schedule.grid(2), range(sampling.sample_images)
    sampler, spans = sampler_of_grids(sampling), []
    for _ in range(2):
        began = time.perf_counter()
        x = sample(denoise, sampler, grid, seeds, config.network.image_shape).numpy()
        spans.append(time.perf_counter() - began)
    advice = None
    if not np.all(np.isfinite(x)):
        remedy = "samples are not finite; float32 may give better ones"
        advice = SettingError("precision", config.network.precision, remedy)
    yield Finding(
        "two-step sample",
        f"{spans[-1]:.3g} s for {sampling.sample_images} pictures",
        advice,
    )
    return spans[-1] / 2


def _save(config: Config, state: State) -> Generator[Finding, None, float]:
    """Saves and restores; returns the seconds of saving."""
    named = state.objective.variables
    before = {path: v.read_value().numpy() for path, v in named.items()}
    began = time.perf_counter()
    state.checkpoints.save()
    seconds = time.perf_counter() - began
    directory = state.checkpoints.directory
    size = sum(p.stat().st_size for p in directory.iterdir())
    state.checkpoints.restore()
    same = all(
        np.array_equal(before[p], v.read_value().numpy()) for p, v in named.items()
    )
    home = Path(config.training.run_dir).absolute()
    while not home.exists():
        home = home.parent
    free = shutil.disk_usage(home).free
    needed = size * (config.training.keep + 1) + 4 * size
    advice: InputError | None = None
    if not same:
        advice = InputError("a checkpoint came back changed; test the disk")
    if free < needed:
        advice = SettingError(
            "run_dir",
            config.training.run_dir,
            f"{free / MIB:,.0f} MiB are free on its disk, {needed / MIB:,.0f} are "
            "needed; free some or lower `keep`",
        )
    yield Finding(
        "save, restore",
        f"{seconds:.3g} s, {size / MIB:,.1f} MiB a checkpoint, bits the same",
        advice,
    )
    return seconds
