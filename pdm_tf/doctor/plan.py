"""What a run would train, in words and numbers, before it is trained."""

import os
from collections.abc import Iterator

import tensorflow as tf

from pdm_tf.assemble.resuming import check_record
from pdm_tf.assemble.settings import check_settings, t_range
from pdm_tf.assemble.training import open_pictures
from pdm_tf.config import Config
from pdm_tf.denoisers import NetworkDenoiser
from pdm_tf.doctor.averaging import judge_average
from pdm_tf.doctor.findings import (
    Finding,
    estimate_memory,
    on_one_device,
    read_some,
)
from pdm_tf.networks.describing import describe as describe_network
from pdm_tf.profiling.flops import count_denoise_flops
from pdm_tf.profiling.parameters import count_parameters
from pdm_tf.training.batch_sharding import check_batch_sharding
from pdm_tf.training.distribution import choose_strategy


def dry_run(config: Config) -> Iterator[Finding]:
    """What a run would train and need, as it becomes known; no graph is run.

    The pictures are opened, and some of them are decoded.

    Raises:
      InputError: settings or devices that no training can run with.
    """
    training = config.training
    strategy = choose_strategy(training.strategy, training.devices, training.tpu)
    check_settings(config)
    replicas = strategy.num_replicas_in_sync
    check_batch_sharding(replicas, training.batch_size, training.microbatch)
    changes = ", ".join(check_record(config))
    yield Finding(
        "run", training.run_dir + (f"; changed: {changes}" if changes else "")
    )
    yield read_some(open_pictures(config))
    yield from judge_average(training)
    alone, state = on_one_device(config, replicas)
    yield from describe(config, state.denoiser)
    yield from estimate_memory(alone, state)


def describe(config: Config, denoiser: NetworkDenoiser) -> Iterator[Finding]:
    """What is known of a run before its graphs are traced."""
    first, last = t_range(config)
    network, training = config.network, config.training
    parameters = count_parameters(denoiser.network.variables)
    flops = count_denoise_flops(denoiser.network, denoiser.image_shape) or 0
    picture = "×".join(map(str, network.image_shape))
    yield Finding(
        "picture",
        f"{picture}, patches of {network.patch_size}, classes "
        f"{network.num_classes or 'none'}",
    )
    yield Finding("parameters", f"{parameters:,}")
    yield Finding("network call", f"{flops / 1e9:.4g} GFLOP a picture")
    work = 3 * flops * training.batch_size
    yield Finding(
        "training step", f"about {work / 1e12:.3g} TFLOP at batch {training.batch_size}"
    )
    yield Finding(
        "whole training",
        f"about {work * training.iterations / 1e18:.3g} EFLOP, "
        f"{training.iterations:,} steps",
    )
    yield Finding(
        "weights",
        f"{parameters * 4 / 2**20:,.0f} MiB; with gradients and Adam "
        f"{parameters * 16 / 2**20:,.0f} MiB on the device, the average "
        f"{parameters * 4 / 2**20:,.0f} MiB on the host",
    )
    yield Finding("timesteps", f"{first} to {last} of {config.diffusion.timesteps}")
    yield Finding(
        "precision",
        f"{network.precision}, {os.cpu_count()} processor cores, "
        f"{len(tf.config.list_physical_devices('GPU'))} GPUs",
    )
    for name, text in describe_network(denoiser.network).items():
        yield Finding(name, text)
