"""Shapes that do not fit are refused with a sentence that names those that do."""

import re
from dataclasses import replace
from itertools import product

import pytest

from pdm_tf.config import InputError, UNetConfig
from pdm_tf.networks import PatchedUNet, shapes

BASE = UNetConfig(image_shape=(32, 32, 3), width=32)

M4 = (1.0, 1.0, 2.0, 2.0)


def fits(config):
    try:
        shapes.grid_shape(config)
    except InputError:
        return False
    return True


def refusal(function, config):
    with pytest.raises(InputError) as caught:
        function(config)
    text = str(caught.value)
    assert "\n" not in text and re.match(r"[a-z_]+=", text)
    return text


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(("patch", "levels"), product([1, 2, 3, 4], [1, 2, 3]))
def test_sizes_divide_or_the_nearest_that_do_are_named(patch, levels, axis):
    unit = patch * 2 ** (levels - 1)
    base = replace(
        BASE, patch_size=patch, channel_multipliers=(1.0,) * levels, width=32
    )
    for size in range(1, 3 * unit + 1):
        shape = [2 * unit, 2 * unit, 3]
        shape[axis] = size
        config = replace(base, image_shape=tuple(shape))
        if size % unit == 0:
            grid = shapes.grid_shape(config)
            assert grid[axis] * patch == size
            continue
        text = refusal(shapes.grid_shape, config)
        assert f"image_shape={','.join(map(str, shape))}" in text
        assert ("height", "width")[axis] in text
        named = [int(n) for n in re.findall(r"\d+", text.split("nearest")[1])]
        below, above = size // unit * unit, (size // unit + 1) * unit
        assert named == [n for n in (below, above) if n]
        for n in named:
            shape[axis] = n
            assert fits(replace(config, image_shape=tuple(shape)))


@pytest.mark.parametrize("shape", [(32, 32), (32, 32, 3, 1), (0, 32, 3), (32, 32, -1)])
def test_shapes_that_are_no_pictures_are_refused(shape):
    text = refusal(shapes.grid_shape, replace(BASE, image_shape=shape))
    assert "height, width and channels" in text


def test_patches_have_a_size():
    for patch in (0, -2):
        config = replace(BASE, patch_size=patch)
        assert f"patch_size={patch}" in refusal(shapes.grid_shape, config)


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_blocks_are_one_number_or_one_for_each_level(levels):
    base = replace(BASE, channel_multipliers=(1.0,) * levels)
    for given in (3, (3,), (3,) * levels):
        config = replace(base, blocks_per_level=given)
        assert shapes.blocks_of_levels(config) == (3,) * levels
    for wrong in ((2,) * (levels + 1), (), (0,) * levels, 0):
        config = replace(base, blocks_per_level=wrong)
        text = refusal(shapes.blocks_of_levels, config)
        assert "blocks_per_level" in text and str(levels) in text


def test_multipliers_need_not_be_whole():
    config = replace(BASE, width=256, channel_multipliers=(1.0, 1.5, 2.0))
    assert shapes.channels_of_levels(config) == (256, 384, 512)


@pytest.mark.parametrize("multipliers", [(), (0.0,), (1.0, 0.01)])
def test_levels_have_channels(multipliers):
    config = replace(BASE, channel_multipliers=multipliers)
    assert "width=32" in refusal(shapes.channels_of_levels, config)


def test_channels_divide_into_heads_or_a_multiple_that_does_is_named():
    for channels in range(2, 400):
        config = replace(BASE, width=channels, channel_multipliers=(1.0,))
        heads = max(channels // 64, 1)
        if channels % heads == 0:
            assert shapes.channels_of_levels(config) == (channels,)
        else:
            text = refusal(shapes.channels_of_levels, config)
            assert "multiples of 64" in text


def test_the_network_refuses_what_its_plan_refuses():
    for wrong in (
        {"image_shape": (30, 33, 3)},
        {"blocks_per_level": (1, 2, 3)},
        {"width": 0},
        {"patch_size": 0},
    ):
        with pytest.raises(InputError):
            PatchedUNet(replace(BASE, **wrong))


def test_attention_is_chosen_by_level_or_by_the_height_of_its_grid():
    config = UNetConfig(image_shape=(32, 64, 3), patch_size=2, channel_multipliers=M4)
    # Grids of 16, 8, 4 and 2 patches high.
    by_height = replace(config, attention_resolutions=(8, 2, 99))
    assert shapes.attention_levels(by_height) == (1, 3)
    by_level = replace(by_height, attention_levels=(2, 0))
    assert shapes.attention_levels(by_level) == (0, 2)
    with pytest.raises(InputError, match="attention_levels=4: choose"):
        shapes.attention_levels(replace(config, attention_levels=(4,)))


@pytest.mark.parametrize("heights", [(8, 2), ()])
def test_another_size_keeps_attention_where_it_was(heights):
    config = UNetConfig(
        image_shape=(32, 64, 3),
        patch_size=2,
        channel_multipliers=M4,
        attention_resolutions=heights,
    )
    larger = shapes.resized(config, (64, 32, 3))
    assert shapes.grid_shape(larger) == (32, 16)
    assert shapes.attention_levels(larger) == shapes.attention_levels(config)
    with pytest.raises(InputError, match="multiple of 16"):
        shapes.resized(config, (40, 32, 3))
