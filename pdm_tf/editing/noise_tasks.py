"""Tasks that find the noise of a picture, and draw from it again, changed."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from pdm_tf.config import (
    CycleConfig,
    DirectionsConfig,
    EditingConfig,
    InterpolateConfig,
    VariationsConfig,
)
from pdm_tf.data.fitting import read_exactly
from pdm_tf.data.images import to_float
from pdm_tf.data.labels import find_labels
from pdm_tf.denoisers import Denoiser
from pdm_tf.denoisers.label_guidance import LabelGuided
from pdm_tf.diffusion import Grid
from pdm_tf.editing.cycle import translate
from pdm_tf.editing.directions import (
    edit_along,
    grid_below,
    local_directions,
)
from pdm_tf.editing.energy import led
from pdm_tf.editing.interpolate import ROUNDS, Interpolation, evenly_spaced
from pdm_tf.editing.preparing import (
    Model,
    Task,
    conditioned,
    encoded,
    labels_of,
    seeds_of,
)
from pdm_tf.editing.sdedit import check_strength
from pdm_tf.editing.singular import ITERATIONS, Derivative
from pdm_tf.editing.variations import variations
from pdm_tf.errors import MissingSetting, SettingError
from pdm_tf.inverse.problem import check_gradient
from pdm_tf.samplers import encode, invertible


def interpolating(config: EditingConfig, own: InterpolateConfig, model: Model) -> Task:
    """See `interpolate`."""
    shape = model.denoise.image_shape
    first = read_exactly("image", config.image, shape, config.fit)
    second = read_exactly("second_image", own.second_image, shape, config.fit)
    denoise, grid = encoded(config, model)

    def work() -> tf.Tensor:
        path = Interpolation(denoise, grid, to_float(first), to_float(second))
        made = evenly_spaced(lambda shares: path.at(shares).numpy(), config.count)
        return tf.constant(made)

    rounds = 1 if config.count < 3 else 1 + ROUNDS
    steps = int(invertible(grid).size)
    return Task(np.concatenate([first, second]), steps * (2 + rounds), work)


def varying(config: EditingConfig, own: VariationsConfig, model: Model) -> Task:
    """See `variations`."""
    check_strength(own.strength)
    picture = read_exactly("image", config.image, model.denoise.image_shape, config.fit)
    denoise, grid = encoded(config, model)
    return Task(
        picture,
        2 * int(invertible(grid).size),
        lambda: variations(
            denoise,
            grid,
            seeds=seeds_of(config),
            picture=to_float(picture),
            strength=own.strength,
        ),
    )


def translating(config: EditingConfig, own: CycleConfig, model: Model) -> Task:
    """See `cycle`."""
    check_strength(own.strength)
    target = model.target or model
    shape = model.denoise.image_shape
    _refuse_other_kind(model.denoise, target.denoise, own.target_model)
    picture = read_exactly("image", config.image, shape, config.fit)
    classes = model.denoise.num_classes
    try:
        given = (own.source_label,) if own.source_label else ()
        found = find_labels(given, classes, model.class_names) or classes
    except SettingError as error:
        raise error.named("source_label") from None
    source = conditioned(model, np.resize(found, config.count), weight=1.0)
    drawn = _drawing(config, own, target, model.energy)
    grid = drawn.schedule.grid(config.steps, config.spacing)
    return Task(
        picture,
        2 * round(own.strength * int(grid.size)) + round(own.refine * int(grid.size)),
        lambda: translate(
            source,
            drawn,
            grid,
            seeds=seeds_of(config),
            picture=to_float(picture),
            strength=own.strength,
            eta=own.eta,
            refine=own.refine,
        ),
    )


def _drawing(
    config: EditingConfig, own: CycleConfig, target: Model, energy: Model | None
) -> Denoiser:
    """What draws the results: conditioned on their classes, or led to them."""
    if energy is None:
        labels = np.resize(labels_of(config, target), config.count)
        return conditioned(target, labels, own.guidance if config.labels else 1.0)
    classifier = energy.denoise
    if not isinstance(classifier, LabelGuided):
        remedy = "has no classifier; make one by pdm_tf.guidance classifier"
        raise SettingError("energy", own.energy, remedy)
    if classifier.image_shape != target.denoise.image_shape:
        raise SettingError("energy", own.energy, "is of pictures of another shape")
    if not config.labels:
        raise MissingSetting("labels", "name the classes that the energy leads to")
    labels = np.resize(labels_of(config, energy), config.count)
    return led(target.denoise, classifier, labels, own.energy_strength, target.sampling)


def _refuse_other_kind(first: Denoiser, second: Denoiser, path: str) -> None:
    """Raises SettingError for models of which one does not know the other's noise."""
    for name in ("image_shape", "schedule"):
        if getattr(first, name) != getattr(second, name):
            raise SettingError(
                "target_model", path, f"has another {name.replace('_', ' ')} than model"
            )


def moving(config: EditingConfig, own: DirectionsConfig, model: Model) -> Task:
    """See `local_directions` and `edit_along`."""
    shape = model.denoise.image_shape
    picture = read_exactly("image", config.image, shape, config.fit)
    mask = _place(config, own, shape)
    denoise, grid = encoded(config, model)
    label = np.resize(labels_of(config, model), 1).astype(np.int32)
    mover = mover_of(model.denoise, denoise, grid, label, own)
    most = 2 * ITERATIONS * (2 if own.mask and own.outside else 1)
    return Task(
        picture,
        2 * int(mover.grid.size) + most,
        lambda: mover.move(to_float(picture), mask, config.count),
        rows=own.directions,
    )


class Mover(NamedTuple):
    """Moves pictures along directions.

    Attributes:
      plain: what has the directions, as the network gives it: where a threshold clips
        an estimate, nothing changes it.
      denoise: what encodes and decodes.
      grid: the levels of that.
      own: how many directions, how far.
    """

    plain: Denoiser
    denoise: Denoiser
    grid: Grid
    own: DirectionsConfig

    def move(self, x: tf.Tensor, mask: np.ndarray, count: int) -> tf.Tensor:
        """A picture [1, H, W, C] at `count` strengths along each direction.

        Args:
          x: in [-1, 1].
          mask: true where it may change, bool [H, W, 1].
          count: M; from -strength to strength, or the latter alone.

        Returns:
          float32 [K·M, H, W, C], all strengths of one direction after the other.
        """
        own = self.own
        z = encode(self.denoise, self.grid, [0], x)
        derivative = Derivative(self.plain, self.grid.level(0))
        found = local_directions(derivative, z, mask, own.directions, own.outside)
        ends = own.strength if count == 1 else -own.strength, own.strength
        far = np.linspace(*ends, count).tolist()
        return edit_along(self.denoise, self.grid, z, found.vectors, far)


def mover_of(
    network: Denoiser,
    denoise: Denoiser,
    grid: Grid,
    label: np.ndarray,
    own: DirectionsConfig,
) -> Mover:
    """What moves pictures along directions of a model.

    Args:
      network: the model, neither conditioned nor guided.
      denoise: the same, as it samples one picture of this label.
      grid: the levels of sampling.
      label: int32 [1].
      own: settings.

    Raises:
      InputError: a timestep that there is not, or a model without derivatives.
    """
    timesteps = denoise.schedule.timesteps
    if own.timestep >= timesteps:
        raise SettingError("timestep", own.timestep, f"choose below {timesteps}")
    if network.num_classes:
        network = network.conditioned(tf.constant(label))
    check_gradient(network, "directions", "sdedit or variations")
    return Mover(
        network, denoise, grid_below(denoise.schedule, grid, own.timestep), own
    )


def _place(
    config: EditingConfig, own: DirectionsConfig, shape: tuple[int, ...]
) -> np.ndarray:
    """Where a picture may change, bool [H, W, 1]."""
    alone = (*shape[:2], 1)
    if not own.mask:
        return np.ones(alone, bool)
    mask = read_exactly("mask", own.mask, alone, config.fit, filled=0)[0] > 127
    if not mask.any():
        remedy = (
            "black everywhere, so nothing may change; make it white where it may, or "
            "leave it out"
        )
        raise SettingError("mask", own.mask, remedy)
    return mask
