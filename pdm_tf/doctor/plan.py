"""What a run would train, in words and numbers, before it is trained."""

import os
from collections.abc import Iterator

import tensorflow as tf

from pdm_tf.assemble.settings import check_settings, t_range
from pdm_tf.config import Config
from pdm_tf.denoisers import NetworkDenoiser
from pdm_tf.doctor.findings import estimate_memory, on_one_device
from pdm_tf.networks import shapes
from pdm_tf.profiling.flops import count_denoise_flops
from pdm_tf.profiling.parameters import count_parameters
from pdm_tf.training.batch_sharding import check_batch_sharding
from pdm_tf.training.distribution import choose_strategy


def dry_run(config: Config) -> Iterator[str]:
    """A table of what a run would train and need; graphs are traced and none is run.

    Raises:
      InputError: settings or devices that no training can run with.
    """
    training = config.training
    strategy = choose_strategy(training.strategy, training.devices, training.tpu)
    check_settings(config)
    replicas = strategy.num_replicas_in_sync
    check_batch_sharding(replicas, training.batch_size, training.microbatch)
    alone, state = on_one_device(config, replicas)
    yield from describe(config, state.denoiser)
    for finding in estimate_memory(alone, state):
        yield f"{finding.name}: {finding.text}"
    yield "ready to train; leave dry_run out to begin"


def describe(config: Config, denoiser: NetworkDenoiser) -> list[str]:
    """What is known of a run before its graphs are traced."""
    first, last = t_range(config)
    network, training = config.network, config.training
    height, width = shapes.grid_shape(network)
    channels = shapes.channels_of_levels(network)
    blocks = shapes.blocks_of_levels(network)
    parameters = count_parameters(denoiser.network.variables)
    flops = count_denoise_flops(denoiser.network, denoiser.image_shape) or 0
    lines = [
        f"run            {training.run_dir}",
        f"data           {config.data.dataset}",
        f"picture        {'×'.join(map(str, network.image_shape))}, patches of "
        f"{network.patch_size}, classes {network.num_classes or 'none'}",
        f"parameters     {parameters:,}",
        f"network call   {flops / 1e9:.4g} GFLOP a picture",
        f"training step  about {3 * flops * training.batch_size / 1e12:.3g} TFLOP at "
        f"batch {training.batch_size}",
        f"whole training about "
        f"{3 * flops * training.batch_size * training.iterations / 1e18:.3g} EFLOP, "
        f"{training.iterations:,} steps",
        f"weights        {parameters * 4 / 2**20:,.0f} MiB; with gradients and Adam "
        f"{parameters * 16 / 2**20:,.0f} MiB on the device, the average "
        f"{parameters * 4 / 2**20:,.0f} MiB on the host",
        f"timesteps      {first} to {last} of {config.diffusion.timesteps}",
        f"precision      {network.precision}, {os.cpu_count()} processor cores, "
        f"{len(tf.config.list_physical_devices('GPU'))} GPUs",
    ]
    for level, (c, count) in enumerate(zip(channels, blocks, strict=True)):
        attends = level in shapes.attention_levels(network)
        lines.append(
            f"level {level}        grid {height >> level}×{width >> level}, {c} "
            f"channels, {count} blocks{', attention' if attends else ''}"
        )
    return lines
