"""What generates pictures on request, whatever computes them."""

from typing import Any, Protocol

import numpy as np

from pdm_tf.config.conditioning import read_conditions
from pdm_tf.config.sampling import SamplerDefault
from pdm_tf.data.condition_rows import spread_rows
from pdm_tf.progress import progress

Steps = int | str  # a number, ADM's sections such as 90,60,60,20,20, or ddimN


class ImageGenerator(Protocol):
    """A model with its samplers, from which anyone can ask for pictures.

    Attributes:
      image_shape: (H, W, C) in pixels.
      num_classes: number of classes; 0 for none.
      samplers: names of its samplers.
      guidance: guidance weight w that suits it, 1 for none.
      description: what is known of the model, as JSON holds it; "digest" is what it
        is known by, see `description.describe`.
    """

    image_shape: tuple[int, ...]
    num_classes: int
    samplers: tuple[str, ...]
    guidance: float

    @property
    def description(self) -> dict[str, Any]:
        """See the class."""

    def check(self, sampler: str, steps: Steps) -> None:
        """Raises SettingError about `sampler` or `steps` that it cannot serve."""

    def evaluations(self, sampler: str, steps: Steps) -> int:
        """Evaluations of the model for one picture, guidance not counted."""

    def generate(
        self,
        seeds: np.ndarray,
        labels: np.ndarray,
        steps: Steps,
        guidance: float,
        sampler: str,
    ) -> np.ndarray:
        """Pictures, each a function of its own seed.

        Args:
          seeds: int32 [N].
          labels: int32 [N], num_classes for no label; not looked at without classes.
            Rows, float32 [N, n], where the description tells of "conditions".
          steps: a number, spaced as suits the sampler; sections such as
            90,60,60,20,20 and ddimN are evenly spaced in t.
          guidance: guidance weight w; 1 is none.
          sampler: one of `samplers`.

        Returns:
          uint8 [N, H, W, C].

        Raises:
          SettingError: see `check`.
        """


def choose_sampler(
    generator: ImageGenerator, sampler: str, steps: str, usual: SamplerDefault
) -> tuple[str, str]:
    """Sampler and steps of a request, where either may be left open.

    Args:
      generator: the model, which may have been made for a sampler and few steps.
      sampler: a name, or nothing.
      steps: of it, or nothing.
      usual: for other models, and steps for other samplers.
    """
    own = generator.description.get("own_sampler")
    known = SamplerDefault(*own) if own else usual
    if not sampler:
        sampler = known.sampler
    if not steps:
        steps = str((known if sampler == known.sampler else usual).steps)
    return sampler, steps


def labels_in_turn(generator: ImageGenerator, numbers: np.ndarray) -> np.ndarray:
    """Labels of pictures whose labels nobody chose: all classes in turn, int32 [N].

    Of a model with attributes rows, see `spread_rows`.

    Args:
      generator: the model.
      numbers: of the pictures, int32 [N].
    """
    conditions = read_conditions(generator.description)
    if conditions is None:
        return numbers % max(1, generator.num_classes)
    return spread_rows(conditions, numbers)


def generate_many(
    generator: ImageGenerator,
    count: int,
    steps: Steps,
    guidance: float,
    sampler: str,
    batch_size: int = 16,
) -> np.ndarray:
    """Pictures of seeds 0 … count - 1, all classes in turn: uint8 [count, H, W, C]."""
    made, labels = [], labels_in_turn(generator, np.arange(count, dtype=np.int32))
    batches = range(0, count, batch_size)
    for first in progress(batches, "generating", "batches"):
        seeds = np.arange(first, min(first + batch_size, count), dtype=np.int32)
        rows = labels[first : first + batch_size]
        made.append(generator.generate(seeds, rows, steps, guidance, sampler))
    return np.concatenate(made)
