"""A network's SavedModel: written, loaded, sampled from."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf

from pdm_tf.config import JiTConfig, UNetConfig
from pdm_tf.data.pipeline import training_batches
from pdm_tf.data.sources import open_source
from pdm_tf.denoisers import NetworkDenoiser
from pdm_tf.diffusion import NoiseSchedule
from pdm_tf.diffusion.flow import LinearFlow
from pdm_tf.export import export_saved_model
from pdm_tf.networks import JiT, PatchedUNet


def build_network(config: UNetConfig | JiTConfig) -> PatchedUNet | JiT:
    """With weights at random: zeros, as before a training, would cost less."""
    kind = JiT if isinstance(config, JiTConfig) else PatchedUNet
    network, rng = kind(config), np.random.default_rng(0)
    for variable in network.variables:
        variable.assign(rng.standard_normal(variable.shape, np.float32) * 0.02)
    return network


def build_denoiser(config: UNetConfig | JiTConfig) -> NetworkDenoiser:
    """Of that network, which predicts x."""
    network = build_network(config)
    if isinstance(network, JiT):
        return NetworkDenoiser(network, LinearFlow.of(1000), "x")
    return NetworkDenoiser(network, NoiseSchedule.linear(1000, 0.02), "x")


def times(network, count: int) -> np.ndarray:
    """The middle of the way, as the network counts it."""
    if getattr(network, "continuous_time", False):
        return np.full([count], 0.5, np.float32)
    return np.full([count], 500, np.int32)


def make_export(config: UNetConfig):
    """The whole of `python -m pdm_tf.export` but reading the run."""
    denoiser, folder = build_denoiser(config), Path(tempfile.mkdtemp())
    return lambda: export_saved_model(denoiser, folder / "export")


def _exported(config: UNetConfig) -> str:
    folder = Path(tempfile.mkdtemp()) / "export"
    export_saved_model(build_denoiser(config), folder, samplers=["ddpm", "dpm_solver"])
    return str(folder)


def make_load(config: UNetConfig):
    """From files to the first picture, of one step."""
    folder = _exported(config)

    def load():
        model = tf.saved_model.load(folder)
        return _draw(model, 1, 1).numpy()

    return load


def _draw(model, batch: int, steps: int, sampler: str = "ddpm") -> tf.Tensor:
    """By the signature; guidance 1 asks the network once a step."""
    name = "sample" if sampler == "ddpm" else f"sample_{sampler}"
    return model.signatures[name](
        seeds=tf.range(batch),
        labels=tf.zeros([batch], tf.int32),
        steps=tf.constant(steps),
        guidance=tf.constant(1.0),
    )["images"]


def _loaded(config: UNetConfig):
    folder = _exported(config)
    try:
        return tf.saved_model.load(folder)
    finally:
        shutil.rmtree(folder)


def make_sampling(config: UNetConfig, batch: int, steps: int, sampler: str = "ddpm"):
    """Pictures from noise, by the SavedModel."""
    model = _loaded(config)
    return lambda: _draw(model, batch, steps, sampler).numpy()


def make_calls(config: UNetConfig, batch: int, steps: int):
    """As many calls of the same SavedModel's denoiser as sampling takes."""
    model = _loaded(config)
    ask = model.signatures["denoise"]
    z = tf.random.normal([batch, *config.image_shape])
    t, labels = tf.fill([batch], 500), tf.zeros([batch], tf.int32)

    def call():
        for _ in range(steps):
            answer = ask(z=z, t=t, labels=labels)
        return answer["x"].numpy()

    return call


def make_reading(config: UNetConfig, dataset: str, batch: int):
    """A batch of pictures, in the order of a training."""
    source = open_source(dataset, config.image_shape, config.num_classes)
    batches = iter(training_batches(source, batch, 0, 0))
    return lambda: next(batches)[0].numpy()
