"""The variational bound on the likelihood of 8-bit pictures (arXiv 2006.11239).

-log2 p(x) per dimension is at most the sum of T + 1 terms (their equation 5): the
prior, KL(q(z_{T-1} | x) ‖ N(0, 1)); T - 1 divergences of steps down, one for each
t > 0; and at t = 0 the decoder, a normal distribution cut into 256 bins.
"""

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from pdm_tf.config import Variance
from pdm_tf.data.images import to_float
from pdm_tf.denoisers import Denoiser, thresholded
from pdm_tf.errors import InputError, SettingError
from pdm_tf.evaluation.likelihood.terms import Terms, prior_bits

Batches = Iterable[tuple[np.ndarray, np.ndarray]]


class Bound(NamedTuple):
    """The bound for some pictures [bits per dimension]."""

    edges: np.ndarray  # int [S + 1]: section s holds timesteps edges[s] … edges[s+1]-1
    terms: np.ndarray  # float64 [S]: sum over each section, mean over pictures
    errors: np.ndarray  # float64 [S]: their standard errors
    prior: np.ndarray  # float64 [N], for each picture
    decoder: np.ndarray  # float64 [N]: the term of t = 0
    steps: np.ndarray  # float64 [N]: all terms of t > 0

    @property
    def total(self) -> np.ndarray:
        """The whole bound of each picture, float64 [N]."""
        return self.prior + self.decoder + self.steps


def cut_sections(timesteps: int, terms: int) -> np.ndarray:
    """Edges of sections of timesteps, int [S + 1]; the first is t = 0 alone.

    The others are spread evenly over the cube root of t: terms fall about as fast as
    1/t^1.4 (on digits), and with sections of equal length the first would decide the
    error of the whole.

    Args:
      timesteps: T.
      terms: number of sections; 0, or more than T, for one for each timestep.

    Raises:
      InputError: fewer than 2.
    """
    if terms and terms < 2:
        raise SettingError(
            "terms", terms, f"choose from 2 to {timesteps}, or 0 for all of them"
        )
    count = min(terms or timesteps, timesteps)
    even = np.rint(1 + (timesteps - 1) * np.linspace(0, 1, count) ** 3)
    no_empty_one = np.arange(1, count + 1)
    return np.concatenate([[0], np.maximum(even.astype(np.int64), no_empty_one)])


def measure_bound(
    denoise: Denoiser,
    batches: Batches,
    variance: Variance = "learned",
    clip: bool = True,
    use_labels: bool = True,
    terms: int = 0,
    seed: int = 0,
    progress: Callable[[int], object] = lambda pictures: None,
) -> Bound:
    """The variational bound of a denoiser on pictures.

    What it says of a picture depends on the picture, its index and the seed alone,
    not on the batches.

    Args:
      denoise: any denoiser.
      batches: pictures uint8 [B, H, W, C] and their classes int32 [B], in order.
      variance: of the steps: learned, large (beta; at t = 0 beta-tilde of t = 1, as
        in ADM) or small (beta-tilde).
      clip: clip the estimate to [-1, 1], as ADM's evaluation does.
      use_labels: condition the denoiser on the classes, if it has any.
      terms: number of terms to evaluate, each picture at its own timesteps, as an
        unbiased estimate, see `cut_sections`; 0 evaluates all.
      seed: of the first picture's noise; picture k has seed + k.
      progress: called after each term of each batch with the batch's size.

    Raises:
      InputError: terms that do not fit T, or a bound that is not finite.
    """
    edges = cut_sections(denoise.schedule.timesteps, terms)
    term = Terms(thresholded(denoise) if clip else denoise, variance, use_labels)
    sums, squares = np.zeros(len(edges) - 1), np.zeros(len(edges) - 1)
    rows = []  # prior, decoder and steps of each picture
    for pictures, labels in batches:
        x = tf.constant(to_float(pictures))
        seeds = tf.range(seed, seed + len(pictures), dtype=tf.int32)
        seed += len(pictures)
        table = _tabled(term, edges, (x, tf.constant(labels), seeds), progress)
        sums, squares = sums + table.sum(axis=0), squares + (table**2).sum(axis=0)
        prior = prior_bits(denoise.schedule, x)
        rows.append(np.stack([prior, table[:, 0], table[:, 1:].sum(axis=1)]))
    found = np.concatenate(rows, axis=1)
    count = found.shape[1]
    spread = np.maximum(squares / count - (sums / count) ** 2, 0.0)
    errors = np.sqrt(spread / (count - 1)) if count > 1 else np.full_like(sums, np.nan)
    return Bound(edges, sums / count, errors, *found)


def _tabled(
    term: Terms,
    edges: np.ndarray,
    batch: tuple[tf.Tensor, tf.Tensor, tf.Tensor],
    progress: Callable[[int], object],
) -> np.ndarray:
    """The sum of each section for each picture of a batch: float64 [B, S]."""
    table = np.empty([len(batch[0]), len(edges) - 1])
    for s, (first, end) in enumerate(pairwise(edges.tolist())):
        table[:, s] = term.section(*batch, s, first, end - first)
        if not np.isfinite(table[:, s]).all():
            raise InputError(
                f"likelihood: the term of t = {first} is not finite; the estimate is "
                "broken there, restore an earlier checkpoint"
            )
        progress(len(table))
    return table
