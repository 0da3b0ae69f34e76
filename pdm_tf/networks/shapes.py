"""Which shapes a patched U-Net can take, and what to say about the others."""

from dataclasses import replace

from pdm_tf.config import UNetConfig
from pdm_tf.errors import SettingError


def blocks_of_levels(config: UNetConfig) -> tuple[int, ...]:
    """Residual blocks of each level; one number counts for all.

    Raises:
      InputError: a list whose length is not the number of levels.
    """
    blocks, levels = config.blocks_per_level, len(config.channel_multipliers)
    given = (blocks,) if isinstance(blocks, int) else tuple(blocks)
    given = given * levels if len(given) == 1 else given
    if len(given) != levels or min(given, default=0) < 1:
        raise SettingError(
            "blocks_per_level",
            given,
            f"give one positive number, or {levels}, one for each of "
            "`channel_multipliers`",
        )
    return given


def channels_of_levels(config: UNetConfig) -> tuple[int, ...]:
    """Channels of each level.

    Raises:
      InputError: no levels, or a level without channels.
    """
    channels = tuple(int(config.width * m) for m in config.channel_multipliers)
    if not channels or min(channels) < 2:
        raise SettingError(
            "width",
            config.width,
            "every level needs at least 2 channels",
            channel_multipliers=config.channel_multipliers,
        )
    for c in channels:
        if c > 64 and c % (c // 64):
            raise SettingError(
                "width",
                config.width,
                f"{c} channels do not divide into {c // 64} attention heads; choose "
                "multiples of 64",
            )
    return channels


def grid_shape(config: UNetConfig) -> tuple[int, int]:
    """Height and width of the finest grid [patches].

    Raises:
      InputError: the picture does not divide into patches and levels; names the
        nearest sizes that do.
    """
    shape, patch = tuple(config.image_shape), config.patch_size
    if len(shape) != 3 or min(shape) < 1:
        raise SettingError(
            "image_shape", shape, "give height, width and channels, such as 32,32,1"
        )
    if patch < 1:
        raise SettingError("patch_size", patch, "at least 1 is needed")
    unit = patch * 2 ** (len(config.channel_multipliers) - 1)
    for name, size in zip(("height", "width"), shape, strict=False):
        if size % unit:
            lower = size // unit * unit
            nearest = f"{lower} or {lower + unit}" if lower else f"{unit}"
            raise SettingError(
                "image_shape",
                shape,
                f"the {name} must be a multiple of {unit} (patches of {patch} pixels, "
                f"halved {len(config.channel_multipliers) - 1} times); the "
                f"nearest that fits is {nearest}",
            )
    return shape[0] // patch, shape[1] // patch


def attention_levels(config: UNetConfig) -> tuple[int, ...]:
    """Levels with attention, 0 the finest: as listed, or by the height of their grid.

    Raises:
      InputError: a level that there is not.
    """
    levels = range(len(config.channel_multipliers))
    wrong = sorted(set(config.attention_levels) - set(levels))
    if wrong:
        raise SettingError(
            "attention_levels",
            config.attention_levels,
            f"choose from 0, the finest, to {levels[-1]}",
        )
    if config.attention_levels:
        return tuple(sorted(config.attention_levels))
    height, _ = grid_shape(config)
    return tuple(i for i in levels if height >> i in config.attention_resolutions)


def resized(config: UNetConfig, image_shape: tuple[int, ...]) -> UNetConfig:
    """The same network for pictures of another size, attention at the same levels.

    A network without attention but in its middle keeps none.

    Raises:
      InputError: a size that does not divide into patches and levels.
    """
    levels = attention_levels(config)
    made = replace(
        config,
        image_shape=image_shape,
        attention_levels=levels,
        attention_resolutions=config.attention_resolutions if levels else (),
    )
    grid_shape(made)
    return made
