"""The sets of pictures of an evaluation, opened: all of one shape."""

from collections.abc import Sequence
from dataclasses import replace

from pdm_tf.config import EvaluationConfig
from pdm_tf.data.images import checked_shape
from pdm_tf.evaluation.generated_images import Opener, open_model
from pdm_tf.evaluation.image_shapes import natural_shape, say_scaled
from pdm_tf.evaluation.locations import Location, locate
from pdm_tf.evaluation.stored_images import ImageSource, open_npz, open_source

Shape = tuple[int, ...]


def open_pictures(setting: str, given: str, image_shape: Shape = ()) -> ImageSource:
    """Opens pictures that lie somewhere: an npz, a folder or a source.

    Args:
      setting: that names them, for messages.
      given: its value.
      image_shape: (H, W, C) to read a folder or source at; empty: its own.

    Raises:
      SettingError: no such pictures, or a model.
    """
    location = locate(setting, given)
    if location.kind == "model":
        raise location.error("a model; give pictures")
    if location.kind == "npz":
        return open_npz(location)
    return open_source(location, image_shape or natural_shape(location))


def open_image_sources(
    locations: Sequence[Location],
    config: EvaluationConfig,
    opener: Opener | None = None,
) -> list[ImageSource]:
    """Opens all sets at one shape.

    The shape is `image_shape`, or that of the pictures which are sampled or stored as
    arrays; only sources and folders can follow it. Where there are none but these,
    the first one's own shape decides.

    Raises:
      InputError: pictures of different shapes, or too few.
    """
    shape: Shape = config.image_shape and checked_shape(config.image_shape)
    opened: dict[Location, ImageSource] = {}
    for location in locations:
        if location.kind != "source":
            opened[location] = (
                open_npz(location, _wanted(location, config))
                if location.kind == "npz"
                else open_model(location, config, opener)
            )
            shape = shape or opened[location].image_shape
    for location in locations:
        if location not in opened:
            opened[location] = _open_at(location, shape, _wanted(location, config))
            shape = shape or opened[location].image_shape
    for location in locations:
        _check(opened[location], shape)
    return [opened[location] for location in locations]


def _open_at(location: Location, shape: Shape, wanted: int) -> ImageSource:
    """A source at a shape, or at its own; says what was scaled."""
    if not shape:
        return open_source(location, natural_shape(location), wanted)
    source = open_source(location, shape, wanted)
    return replace(source, notes=tuple(say_scaled(location, shape)))


def _wanted(location: Location, config: EvaluationConfig) -> int:
    """Pictures that are asked for; of the reference all."""
    return config.num_images if location.setting == "samples" else 0


def _check(source: ImageSource, shape: Shape) -> None:
    location, found = source.location, source.image_shape
    if found != shape:
        wanted, other = ("x".join(map(str, s)) for s in (shape, found))
        raise location.error(
            f"pictures of {other}, while the evaluation is of {wanted}; both sets, and "
            "`image_shape` if given, must agree"
        )
    if source.count < 2:
        raise location.error(
            f"{source.count} picture has no spread; give two at least, and thousands "
            "for metrics that mean something"
        )
