"""How fast pictures are read, as a training would read them."""

import time
from dataclasses import dataclass

from pdm_tf.data.pipeline import training_batches
from pdm_tf.data.reading import InMemory
from pdm_tf.data.sources import Source


@dataclass(frozen=True)
class Speed:
    """Pictures read in a time."""

    pictures: int
    seconds: float
    in_memory: bool  # decoded when the source was opened

    @property
    def rate(self) -> float:
        """Pictures per second."""
        return self.pictures / self.seconds


def measure_reading(
    source: Source, batch_size: int, seconds: float, horizontal_flip: bool = False
) -> Speed:
    """Reads batches in the order of a training, doing nothing else.

    Args:
      source: where the pictures come from.
      batch_size: pictures of a batch.
      seconds: how long; at least as many batches are read as had been fetched ahead.
      horizontal_flip: mirror as in training.
    """
    batches = iter(training_batches(source, batch_size, 0, 0, horizontal_flip))
    ahead, began = 0, time.perf_counter()
    # What is fetched ahead while the pipeline warms up must not be counted.
    while ahead < 8 or time.perf_counter() - began < seconds / 4:
        next(batches)
        ahead += 1
    count, began = 0, time.perf_counter()
    while (passed := time.perf_counter() - began) < seconds:
        next(batches)
        count += batch_size
    return Speed(count, passed, isinstance(source, InMemory))
