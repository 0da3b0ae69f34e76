"""Edits of a page: what a visitor has drawn becomes pictures."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from pdm_tf.config import DirectionsConfig
from pdm_tf.config.inverse import TiramisuConfig
from pdm_tf.config.sampling import EDITS
from pdm_tf.data.images import contact_sheet, to_float, to_uint8
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.diffusion import Grid
from pdm_tf.editing.inpaint import inpaint
from pdm_tf.editing.interpolate import Interpolation
from pdm_tf.editing.noise_tasks import mover_of
from pdm_tf.editing.sdedit import sdedit
from pdm_tf.editing.variations import variations
from pdm_tf.errors import SettingError
from pdm_tf.inverse import tiramisu
from pdm_tf.inverse.operators.masks import Mask
from pdm_tf.inverse.problem import Problem
from pdm_tf.samplers import open_sampler
from pdm_tf.web.canvas import has_strokes, read_canvas, read_mask
from pdm_tf.web.drawing import Request, enlarged
from pdm_tf.web.tried import IN_TURN, NO_CLASS, Limits, Tried

_FRAMES = 17  # of a film between two pictures
_STOPS = 7  # pictures along a direction
_DIRECTIONS = 8  # at most
_OUTSIDE = 32  # directions outside that are left out: in seconds, not a minute
Canvas = dict[str, Any] | None


def painted(
    model: Tried, canvas: Canvas, request: Request, limits: Limits, strength: float
) -> np.ndarray:
    """Pictures painted where strokes lie, all else kept: a sheet, uint8 [h, w, C].

    Raises:
      SettingError: what the model, or the page, does not do; nothing drawn.
    """
    shape = model.generator.image_shape
    mask = read_mask(canvas, shape)
    picture = read_canvas(canvas, shape, strokes=False)

    def work(denoise: Denoiser, grid: Grid, seeds: np.ndarray) -> tf.Tensor:
        sampler = open_sampler(EDITS.sampler, model.editor.sampling.variance)
        return inpaint(denoise, sampler, grid, seeds, to_float(picture), mask)

    return _edited(model, request, limits, request.guidance, work)


def redrawn(
    model: Tried, canvas: Canvas, request: Request, limits: Limits, strength: float
) -> np.ndarray:
    """Pictures that strokes and what is under them become, by noise (SDEdit).

    Args:
      model: what draws.
      canvas: of the editor.
      request: of the page.
      limits: of the page.
      strength: from 0, the canvas, to 1, drawn freely.

    Raises:
      SettingError: see `painted`.
    """
    picture = read_canvas(canvas, model.generator.image_shape, strokes=True)

    def work(denoise: Denoiser, grid: Grid, seeds: np.ndarray) -> tf.Tensor:
        sampler = open_sampler(EDITS.sampler, model.editor.sampling.variance)
        return sdedit(denoise, sampler, grid, seeds, to_float(picture), strength)

    return _edited(model, request, limits, request.guidance, work)


def varied(
    model: Tried, canvas: Canvas, request: Request, limits: Limits, strength: float
) -> np.ndarray:
    """Pictures near the one on the canvas; arguments and errors as of `redrawn`."""
    picture = read_canvas(canvas, model.generator.image_shape, strokes=True)

    def work(denoise: Denoiser, grid: Grid, seeds: np.ndarray) -> tf.Tensor:
        return variations(denoise, grid, seeds, to_float(picture), strength)

    # One label: it encodes one picture, and guided denoisers are hard to invert.
    return _edited(model, request, limits, 1.0, work, alike=True)


def painted_by_circuit(
    model: Tried, canvas: Canvas, request: Request, limits: Limits, strength: float
) -> np.ndarray:
    """As `painted`, a circuit of the model's pictures saying what may be hidden."""
    shape = model.generator.image_shape
    hidden = read_mask(canvas, shape)[0, ..., 0]
    x = to_float(read_canvas(canvas, shape, strokes=False))
    if hidden.all():
        raise SettingError("mask", None, "leave a part of the picture without strokes")
    operator = Mask(shape, hidden)
    problem = Problem(operator, operator.forward(x))
    own = TiramisuConfig(circuit=model.circuit)

    def work(denoise: Denoiser, grid: Grid, seeds: np.ndarray) -> tf.Tensor:
        return tiramisu.solve(denoise, problem, grid, seeds, own)

    return _edited(model, request, limits, request.guidance, work)


def moved(
    model: Tried, canvas: Canvas, request: Request, limits: Limits, strength: float
) -> np.ndarray:
    """The picture along the directions that change it most: a row for each of them.

    Where there are strokes, it changes under them; arguments and errors as of
    `redrawn`, but `request.count` is of directions.
    """
    shape = model.generator.image_shape
    picture = read_canvas(canvas, shape, strokes=False)
    mask = np.ones((1, *shape[:2], 1), bool)
    if has_strokes(canvas):
        mask = read_mask(canvas, shape)
    count, steps, _ = request.check(model, limits)
    if count > _DIRECTIONS:
        raise SettingError("pictures", count, f"choose up to {_DIRECTIONS} directions")
    own = DirectionsConfig()
    far = 2.0 * own.strength * strength  # in the middle the usual one
    own = DirectionsConfig(directions=count, strength=far, outside=_OUTSIDE)
    edits, label = model.editor, model.labels(_class_of(request), 1)
    denoise = for_sampling(edits.denoise, label, 1.0, edits.sampling)
    grid = denoise.schedule.grid(steps)
    mover = mover_of(edits.denoise, denoise, grid, label, own)
    made = mover.move(to_float(picture), mask[0], _STOPS)
    return enlarged(contact_sheet(to_uint8(made).numpy(), _STOPS))


EDITS_OF_PAGE: dict[str, Callable[..., np.ndarray]] = {
    "inpaint": painted,
    "sdedit": redrawn,
    "variations": varied,
    "directions": moved,
    "tiramisu": painted_by_circuit,
}


def edits_of(model: Tried) -> list[str]:
    """Names of the edits that can be made with a model, and what came with it."""
    return [name for name in EDITS_OF_PAGE if name != "tiramisu" or model.circuit]


def _class_of(request: Request) -> str:
    """One class for all: several pictures of one edit are to be alternatives."""
    return NO_CLASS if request.chosen in (None, "", IN_TURN) else str(request.chosen)


def _edited(
    model: Tried,
    request: Request,
    limits: Limits,
    guidance: float,
    work: Callable[[Denoiser, Grid, np.ndarray], tf.Tensor],
    alike: bool = False,
) -> np.ndarray:
    count, steps, seeds = request.check(model, limits)
    chosen = _class_of(request)
    labels = model.labels(chosen, 1 if alike else count)
    weight = 1.0 if chosen == NO_CLASS else float(guidance)
    edits = model.editor
    denoise = for_sampling(edits.denoise, labels, weight, edits.sampling)
    x = work(denoise, denoise.schedule.grid(steps), seeds)
    return enlarged(contact_sheet(to_uint8(x).numpy()))


def between(
    model: Tried, canvas: Canvas, request: Request, limits: Limits
) -> list[np.ndarray]:
    """A film from the picture on the canvas to one drawn with a seed: its frames.

    Raises:
      SettingError: see `painted`.
    """
    shape, edits = model.generator.image_shape, model.editor
    first = read_canvas(canvas, shape, strokes=True)
    _, steps, seeds = request.check(model, limits)
    if steps < 2:
        raise SettingError("steps", steps, "a film takes 2 at least")
    labels = model.labels(request.chosen, 1)
    how = steps, float(request.guidance), request.sampler
    second = model.generator.generate(seeds[:1], labels, *how)
    null = model.labels(NO_CLASS, 1) if model.generator.num_classes else labels
    denoise = for_sampling(edits.denoise, null, 1.0, edits.sampling)
    way = Interpolation(
        denoise, denoise.schedule.grid(steps), to_float(first), to_float(second)
    )
    shares = np.linspace(0.0, 1.0, _FRAMES).tolist()
    return [enlarged(x, 384) for x in to_uint8(way.at(shares)).numpy()]
