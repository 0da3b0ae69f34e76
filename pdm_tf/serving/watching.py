"""Generating pictures while somebody watches: progress within a batch, and Ctrl-C."""

import threading
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from pdm_tf.progress import ABANDONED
from pdm_tf.serving.generator import ImageGenerator, Steps

T = TypeVar("T")
_LOOK = 0.2  # seconds between two looks


def watched(
    work: Callable[[], T], evaluated: Callable[[], float], advance: Callable[[int], Any]
) -> T:
    """What a function returns, called in a thread of its own.

    A call of a graph may take minutes, in which no Ctrl-C reaches Python; here it does.

    Args:
      work: takes long.
      evaluated: how far it is, in steps.
      advance: takes how many steps have been made since it was called before; called
        from this thread, now and then.
    """
    made: list[T] = []
    failed: list[BaseException] = []

    def call() -> None:
        try:
            made.append(work())
        except BaseException as error:  # raised where the work was asked for
            failed.append(error)

    thread = threading.Thread(target=call, name=ABANDONED, daemon=True)
    thread.start()
    seen = 0
    while thread.is_alive():
        thread.join(_LOOK)
        now = int(evaluated())
        if now > seen:
            advance(now - seen)
            seen = now
    if failed:
        raise failed[0]
    return made[0]


def generate_watched(
    generator: ImageGenerator,
    seeds: np.ndarray,
    labels: np.ndarray,
    steps: Steps,
    guidance: float,
    sampler: str,
    advance: Callable[[int], Any],
) -> np.ndarray:
    """Pictures, see `ImageGenerator.generate`; `advance` gets evaluations that ended.

    The sum of what it gets is `generator.evaluations(sampler, steps)`.
    """
    total = generator.evaluations(sampler, steps)
    said = 0

    def bounded(count: int) -> None:
        nonlocal said
        count = min(count, total - said)
        said += count
        advance(count)

    def evaluated() -> float:
        return min(getattr(generator, "evaluated", 0.0), total)

    request = seeds, labels, steps, guidance, sampler
    pictures = watched(lambda: generator.generate(*request), evaluated, bounded)
    bounded(total)
    return pictures
