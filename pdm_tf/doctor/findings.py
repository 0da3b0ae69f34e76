"""What can be said of a run before anything of it is computed."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import keras
import numpy as np
import tensorflow as tf

from pdm_tf.assemble.settings import sampler_of_grids, t_range
from pdm_tf.assemble.state import State, build_state, build_trainer
from pdm_tf.config import Config, UNetConfig
from pdm_tf.data.sources import Source
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.doctor.machine import free_bytes, memory_bytes
from pdm_tf.errors import InputError, SettingError
from pdm_tf.networks import hardware, shapes
from pdm_tf.networks.describing import describe as describe_network
from pdm_tf.profiling.memory import held_bytes
from pdm_tf.profiling.parameters import count_parameters
from pdm_tf.profiling.tpu import find_unsupported
from pdm_tf.samplers import sample

MIB = 2**20
_DECODED = 64  # pictures


@dataclass(frozen=True)
class Finding:
    """One line of the report; advice says what must change before training."""

    name: str
    text: str
    advice: InputError | None = None


def read_some(source: Source) -> Finding:
    """Decodes some pictures."""
    began = time.perf_counter()
    count = min(_DECODED, len(source))
    pictures, _ = source.read(np.linspace(0, len(source) - 1, count).astype(np.int64))
    seconds = (time.perf_counter() - began) / count
    text = (
        f"{source.name}: {len(source):,} pictures, {count} decoded in "
        f"{1000 * seconds:.2g} ms each as {'×'.join(map(str, pictures.shape[1:]))}, "
        f"{len(source.class_names) or 'no'} classes"
    )
    if source.skipped:
        text += f"; broken and left out: {', '.join(source.skipped[:3])}"
        text += " …" if len(source.skipped) > 3 else ""
    advice = None
    if pictures.min() == pictures.max():
        remedy = "all pictures decoded are one colour"
        advice = SettingError("dataset", source.name, remedy)
    return Finding("data", text, advice)


def describe_shapes(config: Config, network: keras.Model) -> Iterator[Finding]:
    """What the network is made of, and the timesteps trained."""
    for name, text in describe_network(network).items():
        yield Finding(name, text)
    idle = _idle_attention(config.network)
    if idle:
        listed = ", ".join(map(str, idle))
        yield Finding("attention", f"no level has a grid of height {listed}")
    first, last = t_range(config)
    yield Finding("timesteps", f"{first} to {last} of {config.diffusion.timesteps}")


def _idle_attention(network: UNetConfig) -> list[int]:
    """Heights at which a U-Net would have attention, and has no level."""
    if network.architecture != "unet":
        return []
    height, _ = shapes.grid_shape(network)
    levels = range(len(network.channel_multipliers))
    return sorted(set(network.attention_resolutions) - {height >> i for i in levels})


def judge_precision(config: Config) -> Finding:
    """Whether this machine computes in a precision, or imitates it."""
    precision = config.network.precision
    kinds = {device.device_type for device in tf.config.list_physical_devices()}
    if kinds - {"CPU"}:
        return Finding("precision", f"{precision}, on {', '.join(sorted(kinds))}")
    try:
        description = hardware.CPU_DESCRIPTION.read_text()
    except OSError:
        description = ""
    if hardware.imitates(precision, description):
        text = f"{precision}, which this processor only imitates"
        advice = SettingError("precision", precision, "float32 is faster here")
        return Finding("precision", text, advice)
    return Finding("precision", f"{precision}, which this processor computes in itself")


def on_one_device(config: Config, replicas: int) -> tuple[Config, State]:
    """Settings of what one of several replicas takes at a time, and its own state."""
    training = config.training
    part = training.microbatch or training.batch_size // replicas
    alone = replace(training, batch_size=part, microbatch=0, init_from="")
    config = replace(config, training=alone)
    return config, build_state(config, tf.distribute.get_strategy())


def estimate_memory(config: Config, state: State) -> Iterator[Finding]:
    """Estimates, from graphs that are traced and not run; takes `on_one_device`."""
    training, sampling = config.training, config.sampling
    device, part = tf.distribute.get_strategy(), training.batch_size
    count = count_parameters(state.denoiser.network.variables)
    specs = (
        tf.TensorSpec([part, *config.network.image_shape], tf.uint8),
        tf.TensorSpec([part], tf.int32),
    )
    step = tf.function(build_trainer(config, device, state).take_step, autograph=False)
    traced = step.get_concrete_function(specs)
    lacking = find_unsupported(traced)
    yield Finding(
        "for a TPU",
        f"{len(lacking)} operations that TPUs lack" + "".join(lacking[:1]),
        SettingError("strategy", "tpu", lacking[0])
        if lacking and training.strategy == "tpu"
        else None,
    )
    work, host = held_bytes(traced, 16 * count)
    needed = 16 * count + work + host
    yield Finding(
        "memory, training",
        f"about {needed / MIB:,.0f} MiB beside TensorFlow as "
        f"imported: on a device weights and Adam {12 * count / MIB:,.0f}, a step "
        f"{work / MIB:,.0f} with {part} pictures; on its host the average "
        f"{4 * count / MIB:,.0f}, the graph and holes {host / MIB:,.0f}",
        _too_much("batch_size", training.batch_size, needed, "`microbatch`, `remat`"),
    )
    shape, denoise = config.network.image_shape, denoiser_of_grids(config, state)
    sampler, grid = sampler_of_grids(sampling), state.denoiser.schedule.grid(2)
    draw = tf.function(
        lambda seeds: sample(denoise, sampler, grid, seeds, shape), autograph=False
    )
    seeds = tf.TensorSpec([sampling.sample_images], tf.int32)
    work, host = held_bytes(draw.get_concrete_function(seeds), 4 * count)
    needed = 4 * count + work + host
    yield Finding(
        "memory, samples",
        f"about {needed / MIB:,.0f} MiB: on a device weights "
        f"{4 * count / MIB:,.0f}, a step {work / MIB:,.0f} with "
        f"{sampling.sample_images} pictures; on its host the graph and holes "
        f"{host / MIB:,.0f}",
        _too_much("sample_images", sampling.sample_images, needed, "fewer"),
    )


def _too_much(
    setting: str, value: int, needed: float, help_of: str
) -> SettingError | None:
    """What to change where memory does not hold what a processor computes."""
    has, free = memory_bytes(), free_bytes()
    if not has or tf.config.list_physical_devices("GPU") or needed <= has:
        return None
    return SettingError(
        setting,
        value,
        f"needs about {needed / MIB:,.0f} MiB, this machine has {has / MIB:,.0f} MiB, "
        f"of which {free / MIB:,.0f} are free; lower it, or give {help_of} or a "
        "smaller `width`",
    )


def denoiser_of_grids(config: Config, state: State) -> Denoiser:
    """The denoiser that draws the grids of samples."""
    sampling, classes = config.sampling, config.network.num_classes
    labels = tf.range(sampling.sample_images) % max(classes, 1)
    return for_sampling(state.denoiser, labels, sampling.sample_guidance, sampling)
