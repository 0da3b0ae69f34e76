"""A run's network for Keras' `fit`, and a callback that draws what it has learnt."""

from pathlib import Path

import keras
import numpy as np

from pdm_tf.assemble.building import build_denoiser, build_objective, build_schedule
from pdm_tf.config import Config, SamplingConfig
from pdm_tf.data.images import contact_sheet, save_png
from pdm_tf.denoisers import NetworkDenoiser
from pdm_tf.serving.denoiser_generator import DenoiserGenerator
from pdm_tf.serving.generator import labels_in_turn
from pdm_tf.training.keras_model import FittableModel


def fittable(config: Config | None = None) -> FittableModel:
    """A network freshly drawn, to `compile(optimizer=…)` and `fit(pictures, labels)`.

    Args:
      config: network, diffusion, augmentation, weighting, levels, label dropout, batch
        size and seed as in a run; what its training has beside them is Keras' part.

    Raises:
      InputError: settings that do not fit each other.
    """
    config = config or Config()
    training = config.training
    keras.utils.set_random_seed(training.seed)
    denoiser = build_denoiser(config)
    objective = build_objective(config, denoiser)
    return FittableModel(
        denoiser.network, objective, training.batch_size, training.seed
    )


class SampleSheets(keras.callbacks.Callback):
    """A sheet of samples after every epoch: DIRECTORY/epoch_001.png and so on.

    Args:
      directory: where they go.
      config: settings that the model was made of.
      every: epochs between two sheets.
    """

    def __init__(self, directory: str | Path, config: Config, every: int = 1) -> None:
        super().__init__()
        self.directory, self.config, self.every = Path(directory), config, every

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        if (epoch + 1) % self.every:
            return
        sheet = contact_sheet(self._draw(self.config.sampling))
        save_png(self.directory / f"epoch_{epoch + 1:03d}.png", sheet)

    def _draw(self, sampling: SamplingConfig) -> np.ndarray:
        denoiser = NetworkDenoiser(
            self.model.network,
            build_schedule(self.config),
            self.config.diffusion.prediction,
        )
        seeds = np.arange(sampling.sample_images)
        request = sampling.sample_steps, sampling.sample_guidance
        generator = DenoiserGenerator(denoiser, sampling)
        labels = labels_in_turn(generator, seeds)
        return generator.generate(seeds, labels, *request, sampling.sample_sampler)
