"""How faithful a cheaper model's pictures are to those of the model it came from."""

import math
from dataclasses import asdict, dataclass

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

    def shortfalls(self, min_sqnr: float, max_distance_change: float) -> list[str]:
        """What is not as faithful as asked, in words; what is no number falls short.

        Args:
          min_sqnr: least `sqnr` [dB].
          max_distance_change: most `change` [%].
        """
        found = []
        if not self.sqnr >= min_sqnr:
            found.append(f"{self.sqnr:.1f} dB is below min_sqnr={min_sqnr:g}")
        if not self.change <= max_distance_change:
            found.append(
                f"its Fréchet distance is {self.change:+.1f} % of the model's, above "
                f"max_distance_change={max_distance_change:g}"
            )
        return found

    def to_json(self) -> dict[str, float | None]:
        """Everything by name; None, for JSON, where it is infinite or no number."""
        values = asdict(self) | {"change": self.change}
        return {k: v if math.isfinite(v) else None for k, v in values.items()}


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
