"""Weights of the patched U-Net by the names of the paper's authors' PyTorch code.

A network there is a list of blocks on the way in, three in the middle and a list on the
way out; which of them halve and double, attend or are gated follows from the names.
Its group normalisation adds 1e-5 to variances where the paper's own TensorFlow code, in
which the published networks were trained, adds 1e-3, as we do.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from pdm_tf.config import UNetConfig
from pdm_tf.convert import assigning
from pdm_tf.errors import InputError, SettingError
from pdm_tf.networks import PatchedUNet
from pdm_tf.networks.shapes import attention_levels, blocks_of_levels

_RESIDUAL = {
    "in_layers.0": "norm_in",
    "in_layers.2": "conv_in",
    "emb_layers": "time",
    "out_layers.2": "conv_out",
    "classemb_proj": "gate",
    "skip_connection": "skip",
}
_ATTENTION = {"norm": "norm", "qkv": "qkv", "proj_out": "out"}
_AROUND = {
    "time_embed.0": "time_1",
    "time_embed.2": "time_2",
    "input_blocks.0.0": "patches_in",
    "out.0": "norm",
    "out.2": "patches_out",
    "variance_output_t_emb": "variance_time",
    "variance_output_model.0": "variance_in",
    "variance_output_model.2": "variance_out",
}
_CLASSES = "label_embs.weight"
_PIXELWISE = "variance_time/kernel"  # of theirs a convolution of one pixel


def names_of(config: UNetConfig) -> dict[str, str]:
    """Their name of each of a network's layers, by ours."""
    levels, counts = len(config.channel_multipliers), blocks_of_levels(config)
    attending = attention_levels(config)
    named = {ours: theirs for theirs, ours in _AROUND.items()}
    named["classes"] = _CLASSES.removesuffix(".weight")
    index = 1
    for level in range(levels):
        if level:
            named[f"down_{level}_sample/conv"] = f"input_blocks.{index}.0.op"
            index += 1
        for i in range(counts[level]):
            at, ours = f"input_blocks.{index}", f"down_{level}_{i}"
            named |= _block(at, ours, level in attending)
            index += 1
    named |= _block("middle_block", "middle_0", False)
    named |= _layers("middle_block.1", "middle_attention", _ATTENTION)
    named |= _layers("middle_block.2", "middle_1", _RESIDUAL)
    index = 0
    for level in reversed(range(levels)):
        for i in range(counts[level] + 1):
            at, ours = f"output_blocks.{index}", f"up_{level}_{i}"
            named |= _block(at, ours, level in attending)
            index += 1
        if level:
            place = 1 + (level in attending)
            named[f"up_{level}_sample/conv"] = f"{at}.{place}.conv"
    return named


def _block(at: str, ours: str, attends: bool) -> dict[str, str]:
    found = _layers(f"{at}.0", ours, _RESIDUAL)
    if attends:
        found |= _layers(f"{at}.1", f"{ours}_attention", _ATTENTION)
    return found


def _layers(at: str, ours: str, names: Mapping[str, str]) -> dict[str, str]:
    return {f"{ours}/{our}": f"{at}.{their}" for their, our in names.items()}


def name_of(path: str, named: Mapping[str, str]) -> str:
    """Their name of a weight of ours, by its path.

    Args:
      path: such as down_0_0/conv_in/kernel.
      named: of `names_of`.
    """
    layer, _, kind = path.rpartition("/")
    end = "bias" if kind in ("bias", "beta") else "weight"
    return f"{named[layer]}.{end}"


def assign(network: PatchedUNet, weights: Mapping[str, np.ndarray]) -> None:
    """Gives a network the weights of the authors' code.

    Raises:
      InputError: names that are missing, too many, or of other shapes; all are said.
    """
    named = names_of(network.config)
    paths = {name_of(path, named): path for path in assigning.paths_of(network)}
    assigning.assign(network, weights, paths.get, as_ours)


def as_ours(path: str, value: np.ndarray) -> np.ndarray:
    """A weight of theirs, [out, in, …], in our layout, […, in, out]."""
    if not path.endswith("kernel"):
        return value
    if value.ndim == 4 and path != _PIXELWISE:
        return value.transpose(2, 3, 1, 0)
    return value.reshape(value.shape[:2]).T  # what is a projection here


def as_theirs(path: str, value: np.ndarray) -> np.ndarray:
    """A weight of ours in their layout."""
    if not path.endswith("kernel"):
        return value
    if value.ndim == 4:
        return value.transpose(3, 2, 0, 1)
    ends = 2 if path == _PIXELWISE else int("attention" in path)
    return value.T.reshape(value.T.shape + (1,) * ends)


def config_of(
    weights: Mapping[str, np.ndarray], image_shape: tuple[int, ...]
) -> UNetConfig:
    """The network that weights belong to, by their names and shapes.

    Args:
      weights: by their names.
      image_shape: height, width and channels of its pictures, which no name tells.

    Raises:
      InputError: not the weights of such a network.
    """
    if not {"input_blocks.0.0.weight", "time_embed.0.weight"} <= weights.keys():
        raise InputError("the weights are not those of a patched U-Net: no time_embed")
    width = weights["time_embed.0.weight"].shape[1]
    pixels = weights["input_blocks.0.0.weight"].shape[1]
    patch = round((pixels / image_shape[2]) ** 0.5)
    if patch**2 * image_shape[2] != pixels:
        raise SettingError(
            "image_shape",
            image_shape,
            f"a patch has {pixels} numbers, of which {image_shape[2]} channels make no "
            "square",
        )
    levels = list(_levels(weights))
    table = weights.get(_CLASSES)
    return UNetConfig(
        image_shape=tuple(image_shape),
        patch_size=patch,
        width=width,
        channel_multipliers=tuple(level[0] / width for level in levels),
        blocks_per_level=tuple(level[1] for level in levels),
        attention_resolutions=(),
        attention_levels=tuple(i for i, level in enumerate(levels) if level[2]),
        num_classes=0 if table is None else len(table) - 1,
        class_gate=True,
    )


def _levels(weights: Mapping[str, np.ndarray]) -> Iterator[tuple[int, int, bool]]:
    """Channels, blocks and whether they attend, of each level on the way in."""
    indices = {int(n.split(".")[1]) for n in weights if n.startswith("input_blocks.")}
    channels, blocks, attends = 0, 0, False
    for at in (f"input_blocks.{index}" for index in range(1, len(indices))):
        if f"{at}.0.op.weight" in weights:
            yield channels, blocks, attends
            blocks, attends = 0, False
            continue
        last = weights.get(f"{at}.0.out_layers.2.weight")
        if last is None:
            raise InputError(f"the weights have no block {at}")
        channels, blocks = len(last), blocks + 1
        attends |= f"{at}.1.qkv.weight" in weights
    yield channels, blocks, attends
