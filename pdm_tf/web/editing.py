"""Edits of a page: what a visitor has drawn becomes pictures."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from pdm_tf.config.sampling import EDITS
from pdm_tf.data.images import contact_sheet, to_float, to_uint8
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.diffusion import Grid
from pdm_tf.editing.inpaint import inpaint
from pdm_tf.editing.interpolate import Interpolation
from pdm_tf.editing.sdedit import sdedit
from pdm_tf.editing.variations import variations
from pdm_tf.errors import SettingError
from pdm_tf.samplers import open_sampler
from pdm_tf.web.canvas import read_canvas, read_mask
from pdm_tf.web.drawing import Request, enlarged
from pdm_tf.web.tried import IN_TURN, NO_CLASS, Limits, Tried

_FRAMES = 17  # of a film between two pictures
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


EDITS_OF_PAGE: dict[str, Callable[..., np.ndarray]] = {
    "inpaint": painted,
    "sdedit": redrawn,
    "variations": varied,
}


def _edited(
    model: Tried,
    request: Request,
    limits: Limits,
    guidance: float,
    work: Callable[[Denoiser, Grid, np.ndarray], tf.Tensor],
    alike: bool = False,
) -> np.ndarray:
    count, steps, seeds = request.check(model, limits)
    # One class for all: several pictures of one edit are to be alternatives.
    chosen = NO_CLASS if request.chosen in (None, "", IN_TURN) else request.chosen
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
