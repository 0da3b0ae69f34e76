"""Pictures as they are drawn: a sheet that fills, and the denoising as a film."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from pdm_tf.data.images import contact_sheet, to_uint8
from pdm_tf.denoisers.denoiser import Carry, Denoiser, Prediction, Wrapper
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.diffusion import NoiseLevel
from pdm_tf.errors import SettingError
from pdm_tf.samplers import SPACINGS, open_sampler, sample
from pdm_tf.web.tried import Limits, Tried

_BATCH = 8  # pictures that appear at once
_WIDE = 720  # pixels that a sheet is enlarged to, at most
_EMPTY = 232  # grey of pictures that are still to come
LAST_SEED = 2**31 - 1
FILMED = 16  # pictures in a film, at most


@dataclass(frozen=True)
class Request:
    """What a visitor asks for, as it comes from the page."""

    chosen: str | None = None
    count: float = 8
    seed: float = 0
    steps: float = 20
    sampler: str = ""
    guidance: float = 1.0

    def check(self, model: Tried, limits: Limits) -> tuple[int, int, np.ndarray]:
        """Pictures, steps and seeds.

        Raises:
          SettingError: what the model, or the page, does not do.
        """
        count, steps = limits.check(self.count, self.steps)
        whole = self.seed is not None and int(self.seed) == self.seed
        if not whole or not 0 <= self.seed <= LAST_SEED - count:
            raise SettingError("seed", self.seed, "choose from 0 to about 2 billion")
        if self.guidance is None or not -100 <= self.guidance <= 100:
            raise SettingError("guidance", self.guidance, "give a number; 1 is none")
        model.generator.check(self.sampler, steps)
        return count, steps, np.arange(count, dtype=np.int32) + np.int32(self.seed)


class Progress(NamedTuple):
    """A sheet as far as it is drawn, uint8 [H, W, C], and what is to be said of it."""

    sheet: np.ndarray
    said: str


def drawn(model: Tried, request: Request, limits: Limits) -> Iterator[Progress]:
    """The sheet of a request, after every few pictures.

    Raises:
      SettingError: what the model, or the page, does not do.
    """
    count, steps, seeds = request.check(model, limits)
    labels = model.labels(request.chosen, count)
    shape = model.generator.image_shape
    pictures = np.full((count, *shape), _EMPTY, np.uint8)
    yield Progress(enlarged(contact_sheet(pictures)), "drawing …")
    began = time.monotonic()
    for first in range(0, count, _BATCH):
        rows = slice(first, first + _BATCH)
        how = steps, float(request.guidance), request.sampler
        pictures[rows] = model.generator.generate(seeds[rows], labels[rows], *how)
        made, gone = min(first + _BATCH, count), time.monotonic() - began
        said = f"{made} of {count} pictures in {gone:.1f} s"
        yield Progress(enlarged(contact_sheet(pictures)), said)


def enlarged(sheet: np.ndarray, wide: int = _WIDE) -> np.ndarray:
    """A picture with every pixel a square, as large as there is room for.

    Args:
      sheet: uint8 [H, W, C].
      wide: pixels that it may be wide or high.
    """
    factor = max(1, wide // max(sheet.shape[:2]))
    return sheet.repeat(factor, axis=0).repeat(factor, axis=1)


class _Watched(Wrapper):
    """A denoiser whose estimates are kept, in the order of evaluations."""

    def __init__(self, denoise: Denoiser, kept: list[np.ndarray]) -> None:
        super().__init__(denoise)
        self._kept = kept

    def predict(
        self, z: tf.Tensor, level: NoiseLevel, carry: Carry
    ) -> tuple[Prediction, Carry]:
        (x, variance), carry = self.denoise.predict(z, level, carry)

        def keep(x: np.ndarray) -> np.ndarray:
            self._kept.append(np.array(x))
            return x

        seen = tf.ensure_shape(tf.numpy_function(keep, [x], x.dtype), x.shape)
        return Prediction(seen, variance), carry


def denoised(model: Tried, request: Request, limits: Limits) -> list[np.ndarray]:
    """Sheets of the estimates of x, from the first evaluation to the picture.

    Raises:
      SettingError: what the model, or the page, does not do.
    """
    count, steps, seeds = request.check(model, limits)
    if count > FILMED:
        raise SettingError("pictures", count, f"a film has {FILMED} at most")
    edits = model.editor
    kept: list[np.ndarray] = []
    labels = model.labels(request.chosen, count)
    guided = for_sampling(
        edits.denoise, labels, float(request.guidance), edits.sampling
    )
    sampler = open_sampler(request.sampler, edits.sampling.variance)
    grid = guided.schedule.grid(steps, SPACINGS[request.sampler])
    watched = _Watched(guided, kept)
    sample(watched, sampler, grid, seeds, guided.image_shape)
    return [enlarged(contact_sheet(to_uint8(x)), 384) for x in kept]
