"""The pictures whose likelihood is measured, with their classes."""

from dataclasses import replace
from typing import Any

from pdm_tf.config import LikelihoodConfig
from pdm_tf.errors import SettingError
from pdm_tf.evaluation.locations import Location, locate
from pdm_tf.evaluation.stored_images import ImageSource, open_npz, open_source

SEEDS = 2**31  # of int32; picture k has seed + k
_TRAINED = (
    "these pictures are for training; a model that learned them by heart looks better "
    "on them than it is"
)


def open_reference(
    config: LikelihoodConfig, image_shape: tuple[int, ...], num_classes: int
) -> ImageSource:
    """Opens `reference`; of a source the held-out part, unless @train is added.

    With `num_images` a source gives a random choice of its pictures, since sources may
    be sorted by class, and an npz gives its first ones.

    Args:
      config: the settings.
      image_shape: the model's (H, W, C).
      num_classes: classes that the model is conditioned on; 0 for none.

    Raises:
      InputError: no such pictures, another shape, too few, or other classes.
    """
    location = locate("reference", config.reference)
    _check_shape(config, image_shape)
    if location.kind == "model":
        raise location.error(
            "a model; a likelihood needs pictures that were not sampled, such as "
            "mnist, folder:PATH or an npz"
        )
    if location.kind == "npz":
        images = open_npz(location, config.num_images)
        if images.image_shape != tuple(image_shape):
            raise location.error(
                f"pictures of {_shown(images.image_shape)}, the model makes pictures "
                f"of {_shown(image_shape)}; give pictures of that shape"
            )
        images = open_npz(location, config.num_images, num_classes)
    else:
        images = _open_source(location, config, image_shape, num_classes)
    _check_count(config, images.count)
    return images


def _open_source(
    location: Location,
    config: LikelihoodConfig,
    image_shape: tuple[int, ...],
    num_classes: int,
) -> ImageSource:
    chosen = location.given.endswith(("@train", "@test"))
    held_out = location if chosen else replace(location, split="test")
    try:
        wanted = config.num_images
        return open_source(held_out, image_shape, wanted, num_classes, config.seed)
    except SettingError as error:
        if "num_classes" in f"{error.setting} {error.remedy}":
            raise location.error(
                f"its classes are not the model's {num_classes}; give others, or "
                "`use_labels=false`"
            ) from error
        if "held out" in error.remedy:
            raise location.error(
                f"{error.remedy}; or measure all of them with "
                f"`reference={location.given}@train`"
            ) from error
        raise


def _check_shape(config: LikelihoodConfig, image_shape: tuple[int, ...]) -> None:
    if config.image_shape and tuple(config.image_shape) != tuple(image_shape):
        raise SettingError(
            "image_shape",
            config.image_shape,
            f"the model makes pictures of {_shown(image_shape)}; leave it out",
        )


def _check_count(config: LikelihoodConfig, count: int) -> None:
    if count < 2:
        raise SettingError(
            "reference",
            config.reference,
            f"{count} picture has no spread and so no standard error; take two at "
            "least",
        )
    if config.seed + count > SEEDS:
        raise SettingError(
            "seed",
            config.seed,
            f"choose one up to {SEEDS - count:,} for {count:,} pictures",
        )


def _shown(shape: tuple[int, ...]) -> str:
    return ",".join(map(str, shape))


def describe(images: ImageSource) -> dict[str, Any]:
    """What a report says of the pictures, once all were read."""
    location = images.location
    return {
        "given": location.given,
        "kind": location.kind,
        "count": images.count,
        "image_shape": list(images.image_shape),
        **images.describe(),
    }


def warnings(images: ImageSource) -> list[str]:
    """What a reader of the likelihood must know."""
    location = images.location
    seen = location.kind == "source" and location.split == "train"
    return [_TRAINED] if seen else []
