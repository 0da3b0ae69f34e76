"""Which features fit the pictures, and whether statistics are of the same ones."""

import json
from collections.abc import Mapping

from pdm_tf.config import EvaluationConfig
from pdm_tf.evaluation.features import Extractor, open_features
from pdm_tf.evaluation.locations import Location
from pdm_tf.evaluation.statistics import Statistics
from pdm_tf.evaluation.stored_images import ImageSource
from pdm_tf.storage.files import checksum

DIGITS = ((32, 32, 1), (28, 28, 1))  # shapes that the classifier of digits reads
_SIZES = {64: "digits", 256: "random", 2048: "inception"}  # pooled features of each


def features_for(image_shape: tuple[int, ...]) -> str:
    """The features that fit pictures of (H, W, C) without anything to fetch."""
    return "digits" if tuple(image_shape) in DIGITS else "random"


def choose_features(
    config: EvaluationConfig,
    stored: Mapping[str, Statistics | None],
    sources: Mapping[str, ImageSource],
) -> Extractor:
    """The extractor that is asked for; where that is left open, one that fits.

    Statistics decide before pictures do: only what made them can be compared.

    Raises:
      InputError: its weights are missing or not the expected ones.
    """
    name: str = config.features
    if name == "auto":
        known = [_features_of(one) for one in stored.values() if one]
        shapes = [source.image_shape for source in sources.values()]
        name = next(filter(None, known), None) or features_for((*shapes, ())[0])
    return open_features(
        name, config.inception_graph, config.inception_sha256, config.resize
    )


def _features_of(statistics: Statistics) -> str:
    """The extractor behind statistics, by name or size; empty: not known."""
    return statistics.features or _SIZES.get(len(statistics.pooled.mean), "")


def identify(extractor: Extractor) -> str:
    """A checksum of what the extractor is, weights included; never its name alone."""
    named = json.dumps([extractor.name, extractor.describe()], sort_keys=True)
    return checksum(named.encode())


def check_features(
    location: Location, statistics: Statistics, extractor: Extractor
) -> None:
    """Raises SettingError for statistics of other features than the extractor gives."""
    name, sizes = statistics.features or extractor.name, [len(statistics.pooled.mean)]
    sizes += [len(statistics.spatial.mean)] if statistics.spatial else []
    if name != extractor.name or sizes != list(extractor.sizes[: len(sizes)]):
        raise location.error(
            f"statistics of {sizes} features"
            + (f" of {statistics.features}" if statistics.features else "")
            + f", `features={extractor.name}` gives {list(extractor.sizes)}; choose "
            "the `features` that made them (2,048 and 2,023 are of inception)"
        )
    if statistics.extractor not in (None, identify(extractor)):
        raise location.error(
            f"statistics of other weights of the {name} features than are used now; "
            "make them again with `save_statistics`"
        )


def say_unknown(statistics: Statistics, given: str) -> list[str]:
    """What a reader must know of statistics that do not say what made them."""
    if statistics.extractor or not statistics.pooled.mean.size:
        return []
    return [
        f"{given} does not say which network made it; ports of Inception to other "
        "frameworks, and other ways to resize, give other distances"
    ]
