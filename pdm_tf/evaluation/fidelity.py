"""How faithful a cheaper model's pictures are to those of the model it came from."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from pdm_tf.data.images import to_float
from pdm_tf.evaluation.extractor import Extractor
from pdm_tf.evaluation.frechet import frechet_distance
from pdm_tf.evaluation.moments import Gaussian, Moments, merged


@dataclass(frozen=True)
class Fidelity:
    """Pictures of two models from the same seeds, compared.

    Attributes:
      sqnr: signal over quantisation noise [dB]: the power of the original's pictures
        about their common mean, over that of the difference; a constant background
        counts as no signal.
      original: Fréchet distance of the original's pictures from the reference.
      cheaper: the same of the cheaper model's.
      between: Fréchet distance between the two.
    """

    sqnr: float
    original: float
    cheaper: float
    between: float

    @property
    def change(self) -> float:
        """How much farther from the reference the cheaper model's are [%]."""
        return 100.0 * (self.cheaper / self.original - 1.0)


def measure_sqnr(original: np.ndarray, cheaper: np.ndarray) -> float:
    """`Fidelity.sqnr` of pictures uint8 [N, H, W, C]; infinite for equal ones."""
    x, y = (np.float64(to_float(pictures)) for pictures in (original, cheaper))
    noise = np.square(x - y).mean()
    return float(10.0 * np.log10(x.var() / noise)) if noise else np.inf


def gaussian_of(batches: Iterable[np.ndarray], extractor: Extractor) -> Gaussian:
    """Mean and covariance of the features of pictures, uint8 [N, H, W, C] a batch."""
    return merged([Moments.of(extractor(x).pooled) for x in batches]).gaussian()


def compare(
    original: np.ndarray, cheaper: np.ndarray, reference: Gaussian, extractor: Extractor
) -> Fidelity:
    """Compares pictures, uint8 [N, H, W, C], picture n of both of the same seed."""
    first, second = (gaussian_of([x], extractor) for x in (original, cheaper))
    return Fidelity(
        measure_sqnr(original, cheaper),
        frechet_distance(first, reference),
        frechet_distance(second, reference),
        frechet_distance(first, second),
    )
