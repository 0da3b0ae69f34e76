"""Pictures sampled on the fly from a model, and what that costs."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pdm_tf.config import EvaluationConfig
from pdm_tf.config.conditioning import Conditions, read_conditions
from pdm_tf.config.evaluating import PAPER_IMAGES, QUICK_IMAGES
from pdm_tf.config.sampling import BEST, GRIDS, METRICS
from pdm_tf.data.condition_rows import spread_rows
from pdm_tf.data.folder import read_rows
from pdm_tf.errors import InputError, SettingError
from pdm_tf.evaluation.locations import Location, locate
from pdm_tf.evaluation.model_cost import count_evaluations, flops_of, parameters_of
from pdm_tf.evaluation.stored_images import ImageSource
from pdm_tf.progress import progress, say
from pdm_tf.serving.generator import ImageGenerator
from pdm_tf.serving.watching import generate_watched

Opener = Callable[[str, str], ImageGenerator]  # of a setting and its value: a model


def open_model(
    location: Location, config: EvaluationConfig, opener: Opener | None
) -> ImageSource:
    """Pictures of a model, see `GeneratedImages`.

    Raises:
      InputError: no such model, or settings that it refuses.
    """
    if opener is None:
        raise location.error("a model; give pictures")
    say(f"opening {location.given}")
    opened = opener(location.setting, location.path)
    images = GeneratedImages(opened, config)
    count = config.num_images or _COUNTS[config.protocol]
    asked = by_protocol(config, *_samplers(opened))
    say(
        f"sampling {count:,} pictures by {asked.steps} steps of {asked.sampler} "
        f"(protocol={config.protocol})"
    )

    def labelled(size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return images.labelled(count, size)

    shape, describe = images.image_shape, images.describe
    return ImageSource(location, count, shape, labelled, describe, images.cost)


_COUNTS = {"quick": QUICK_IMAGES, "paper": PAPER_IMAGES}


def by_protocol(
    config: EvaluationConfig,
    samplers: Sequence[str] = (BEST.sampler,),
    own: Sequence[Any] | None = None,
) -> EvaluationConfig:
    """The settings with the sampler and steps that they leave open to the protocol.

    Args:
      config: the settings.
      samplers: those that a model has; where the protocol's is not among them, its
        first one takes its place.
      own: the sampler that a model was made for, and its steps, which stand before
        those of every protocol; None: it was made for none.
    """
    if own and config.sampler in ("", own[0]):
        return replace(config, sampler=own[0], steps=config.steps or str(own[1]))
    quick = config.protocol == "quick"
    sampler = config.sampler or (BEST if quick else METRICS).sampler
    if not config.sampler and sampler not in samplers:
        sampler = samplers[0]
    steps = BEST.steps if sampler == BEST.sampler else GRIDS.steps
    known = config.steps or str(steps if quick else METRICS.steps)
    return replace(config, sampler=sampler, steps=known)


def _samplers(model: ImageGenerator) -> tuple[Sequence[str], Sequence[Any] | None]:
    return model.samplers, model.description.get("own_sampler")


def draw_labels(policy: str, num_classes: int, count: int, seed: int) -> np.ndarray:
    """Labels of pictures 0 … count - 1, int32 [count]; zeros without classes.

    Args:
      policy: "balanced" for all classes in turn, "uniform" for independent draws.
      num_classes: 0 for none.
      count: number of pictures.
      seed: of the draws.
    """
    if policy == "uniform" and num_classes:
        random = np.random.default_rng(seed)
        return random.integers(num_classes, size=count, dtype=np.int32)
    return np.arange(count, dtype=np.int32) % max(1, num_classes)


def draw_rows(
    conditions: Conditions, config: EvaluationConfig, count: int
) -> tuple[str, np.ndarray]:
    """Conditions of pictures, float32 [count, n], and where they come from.

    Those of the reference, in a random order and over again where there are fewer;
    evenly spread ones where it is no folder.

    Raises:
      SettingError: a folder without these conditions.
    """
    location = locate("reference", config.reference) if config.reference else None
    kind, _, folder = location.path.partition(":") if location else ("", "", "")
    if location is None or location.kind != "source" or kind != "folder":
        return "spread evenly", spread_rows(conditions, np.arange(count))
    try:
        rows = read_rows(folder, conditions, location.split)
    except SettingError as error:
        raise location.error(f"its conditions cannot be read: {error}") from None
    order = np.random.default_rng(config.seed).permutation(len(rows))
    return "as in the reference", np.resize(rows[order], (count, conditions.size))


class GeneratedImages:
    """Pictures of a model, sampled as the settings say, and a clock for them.

    Attributes:
      image_shape: (H, W, C) in pixels.

    Args:
      generator: the model.
      config: sampler, steps, guidance, labels, seed.

    Raises:
      SettingError: settings that the model refuses.
    """

    def __init__(self, generator: ImageGenerator, config: EvaluationConfig) -> None:
        config = by_protocol(config, *_samplers(generator))
        self._config, self._model = config, generator
        self.image_shape = generator.image_shape
        self._sampler = config.sampler
        generator.check(self._sampler, config.steps)
        weight = config.guidance
        self._weight = generator.guidance if weight is None else weight
        if not np.isfinite(self._weight):
            raise SettingError(
                "guidance", self._weight, "give a finite number; 1 is none"
            )
        self._conditions = read_conditions(generator.description)
        self._policy: str = config.label_policy if generator.num_classes else "none"
        self._seconds, self._sampled = 0.0, 0
        # Counted now: nothing may fail once hours of pictures are sampled.
        self._flops, self._parameters = flops_of(generator), parameters_of(generator)

    def labelled(
        self, count: int, batch_size: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Pictures uint8 [B, H, W, C] of seeds from `seed` on, and labels int32 [B]."""
        config, labels = self._config, self._labels(count)
        seeds = config.seed + np.arange(count, dtype=np.int64)
        firsts = range(0, count, batch_size)
        each = self._model.evaluations(self._sampler, config.steps)
        title = f"sampling {count:,} pictures"
        with progress(None, title, "steps", each * len(firsts)) as bar:
            self._generate(seeds[:1], labels[:1], "1", lambda _: None)  # off the clock
            for start in firsts:
                rows = slice(start, start + batch_size)
                asked = seeds[rows], labels[rows], config.steps
                began = time.perf_counter()
                pictures = self._generate(*asked, bar.update)
                self._seconds += time.perf_counter() - began
                self._sampled += len(pictures)
                yield pictures, labels[rows]

    def _labels(self, count: int) -> np.ndarray:
        config, num_classes = self._config, self._model.num_classes
        if self._conditions is None:
            return draw_labels(config.label_policy, num_classes, count, config.seed)
        self._policy, rows = draw_rows(self._conditions, config, count)
        return rows

    def _generate(
        self,
        seeds: np.ndarray,
        labels: np.ndarray,
        steps: str,
        advance: Callable[[int], Any],
    ) -> np.ndarray:
        request = steps, self._weight, self._sampler
        return generate_watched(self._model, seeds, labels, *request, advance)

    def describe(self) -> dict[str, Any]:
        """How the pictures were sampled."""
        config = self._config
        known = self._model.num_classes or self._conditions
        return {
            "model": self._model.description.get("digest"),
            "sampler": self._sampler,
            "steps": config.steps,
            "seed": config.seed,
            "label_policy": self._policy,
            **({"guidance": self._weight} if known else {}),
        }

    def cost(self) -> dict[str, Any]:
        """What sampling took; None where it is not known."""
        config = self._config
        evaluations = count_evaluations(
            self._model, self._sampler, config.steps, self._weight
        )
        rate = self._sampled / self._seconds if self._seconds else None
        return {
            "pictures": self._sampled,
            "evaluations_per_picture": evaluations,
            "seconds": self._seconds,
            "pictures_per_second": rate,
            "parameters": self._parameters,
            "flops_per_evaluation": self._flops,
            "flops_per_picture": self._flops and self._flops * evaluations,
            "hours_as_published": self._hours_as_published(),
        }

    def _hours_as_published(self) -> float | None:
        """What the paper's protocol would take at the rate measured here."""
        if not self._sampled:
            return None
        config = replace(self._config, protocol="paper", sampler="", steps="")
        paper = by_protocol(config, *_samplers(self._model))
        asked = (self._sampler, self._config.steps), (paper.sampler, paper.steps)
        try:
            now, then = (self._model.evaluations(*one) for one in asked)
        except InputError:  # a model of fewer timesteps has no such steps
            return None
        return PAPER_IMAGES * self._seconds / self._sampled * then / now / 3600
