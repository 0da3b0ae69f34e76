"""How faithful a cheaper model's pictures are to those of the model it came from."""

from dataclasses import dataclass

import numpy as np

from pdm_tf.evaluation.features.extractor import Extractor
from pdm_tf.evaluation.metrics import (
    FeatureGaussian,
    frechet_distance,
    gaussian_of,
    sqnr,
)


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


def compare(
    original: np.ndarray,
    cheaper: np.ndarray,
    reference: FeatureGaussian,
    extractor: Extractor,
) -> Fidelity:
    """Compares pictures, uint8 [N, H, W, C], picture n of both of the same seed."""
    first, second = (gaussian_of(x, extractor) for x in (original, cheaper))
    return Fidelity(
        sqnr(original, cheaper, centred=True),
        frechet_distance(first, reference),
        frechet_distance(second, reference),
        frechet_distance(first, second),
    )
