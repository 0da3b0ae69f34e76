"""Files of DINOv2 and CLIP as Hugging Face gives them out: safetensors, read as ours.

Sizes follow from the shapes of the weights. What shapes do not say, heads and the
activation, is in the config.json beside them; without it, it is that of Meta's and
OpenAI's own networks, and other widths than theirs are refused.
"""

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from pdm_tf.errors import InputError
from pdm_tf.evaluation.features.vision_transformer import (
    Architecture,
    check,
    expected,
)
from pdm_tf.storage.arrays import ArrayFile

FILE, CONFIG = "model.safetensors", "config.json"
HEAD = 64  # channels of a head in the networks of Meta and OpenAI
_SHOWN = 8  # differences in a message
_NAMES = {"weight": "kernel", "bias": "bias"}
_NORMS = {"weight": "scale", "bias": "shift"}


class Family(NamedTuple):
    """How one family names its weights, and what it takes for granted."""

    name: str
    around: dict[str, str]  # whole names, and ours
    block: str  # pattern of what stands in front of a block's layers
    layers: dict[str, str]  # of a block, and ours
    ignored: str  # pattern of names that features do not need
    needed: tuple[str, ...]  # of ours, without which there are no features
    widths: tuple[int, ...]  # published with heads of 64
    activation: str
    epsilon: float


DINOV2 = Family(
    "DINOv2",
    {
        "embeddings.cls_token": "class",
        "embeddings.position_embeddings": "positions",
        "embeddings.register_tokens": "registers",
        "embeddings.patch_embeddings.projection": "patches",
        "layernorm": "norm",
    },
    r"encoder\.layer\.",
    {
        "norm1": "norm_1",
        "norm2": "norm_2",
        "attention.attention.query": "query",
        "attention.attention.key": "key",
        "attention.attention.value": "value",
        "attention.output.dense": "out",
        "layer_scale1.lambda1": "scale_1",
        "layer_scale2.lambda1": "scale_2",
        "mlp.fc1": "wide",
        "mlp.fc2": "narrow",
        "mlp.weights_in": "wide",
        "mlp.weights_out": "narrow",
    },
    r"embeddings\.mask_token|classifier\..*",
    ("norm/scale",),
    (384, 768, 1024, 1536),
    "gelu",
    1e-6,
)
CLIP = Family(
    "CLIP",
    {
        "vision_model.embeddings.class_embedding": "class",
        "vision_model.embeddings.position_embedding.weight": "positions",
        "vision_model.embeddings.patch_embedding": "patches",
        "vision_model.pre_layrnorm": "norm_in",
        "vision_model.post_layernorm": "norm",
        "visual_projection.weight": "projection",
    },
    r"vision_model\.encoder\.layers\.",
    {
        "layer_norm1": "norm_1",
        "layer_norm2": "norm_2",
        "self_attn.q_proj": "query",
        "self_attn.k_proj": "key",
        "self_attn.v_proj": "value",
        "self_attn.out_proj": "out",
        "mlp.fc1": "wide",
        "mlp.fc2": "narrow",
    },
    r"text_model\..*|text_projection\..*|logit_scale|.*\.position_ids",
    ("projection",),
    (768, 1024),
    "quick_gelu",
    1e-5,
)
_TOKENS = ("class", "positions", "registers")


class VisionFile(NamedTuple):
    """A network that was read."""

    weights: dict[str, tf.Tensor]  # float32, by our names; positions as stored
    shape: Architecture
    file: Path
    configured: bool  # whether a config.json said what shapes do not


def read(path: str, family: Family) -> VisionFile:
    """Reads a network.

    Args:
      path: a safetensors file, or a folder with config.json and model.safetensors.
      family: which networks.

    Raises:
      InputError: no such file, damaged, or not of this family; says what differs.
    """
    file = Path(path).expanduser()
    if file.is_dir():
        file /= FILE
    if not file.is_file():
        raise InputError(f"there is no {file}")
    arrays, config = ArrayFile(file), _config(file.with_name(CONFIG))
    named = {n: our_name(n, family) for n in arrays.shapes}
    kept = {ours: n for n, ours in named.items() if ours}
    if len(kept) < len([n for n in named.values() if n]):
        raise InputError("some weights are there under two names")
    sizes = {ours: arrays.shapes[name] for ours, name in kept.items()}
    shape = _architecture(sizes, config, family)
    wrong = [
        f"{n} is not of {family.name}" for n, ours in named.items() if ours is None
    ]
    wrong += _differences(shape, config)
    asked, weights = expected(shape, _optional(sizes)), {}
    wrong += [f"{name} is missing" for name in asked if name not in kept]
    wrong += [f"{kept[name]} is too many" for name in kept if name not in asked]
    for ours in (name for name in asked if name in kept):
        value = _as_ours(ours, arrays.read(kept[ours]))
        if value.shape != asked[ours]:
            wrong.append(f"{kept[ours]} is {value.shape}, not {asked[ours]}")
        weights[ours] = tf.constant(value)
    if wrong:
        more = f"; and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise InputError("; ".join(wrong[:_SHOWN]) + more)
    return VisionFile(weights, shape, file, bool(config))


def our_name(name: str, family: Family) -> str | None:
    """Ours of a weight: empty if it is not needed, None if it is unknown."""
    name = name.removeprefix("dinov2_with_registers.").removeprefix("dinov2.")
    if re.fullmatch(family.ignored, name):
        return ""
    if name in family.around:
        return family.around[name]
    layer, _, kind = name.rpartition(".")
    if layer in family.around:
        return _of_kind(family.around[layer], kind)
    found = re.match(rf"{family.block}(\d+)\.(.+)", name)
    if not found:
        return None
    number, whole = found.groups()
    if whole in family.layers:
        return f"{number}/{family.layers[whole]}"
    layer, _, kind = whole.rpartition(".")
    ours = family.layers.get(layer)
    return _of_kind(f"{number}/{ours}", kind) if ours else None


def _of_kind(layer: str, kind: str) -> str | None:
    is_norm = layer.rpartition("/")[2].startswith("norm")
    kinds = _NORMS if is_norm else _NAMES
    return f"{layer}/{kinds[kind]}" if kind in kinds else None


def _as_ours(name: str, value: np.ndarray) -> np.ndarray:
    """A weight in our layout: channels last, matrices to be multiplied from right."""
    value = value.astype(np.float32, copy=False)
    if name in _TOKENS:
        return value.reshape(-1, value.shape[-1])
    return value.transpose(2, 3, 1, 0) if value.ndim == 4 else value.T


def _architecture(
    sizes: Mapping[str, tuple[int, ...]], config: Mapping[str, Any], family: Family
) -> Architecture:
    """What the shapes and the config say; InputError where there is no network."""
    always = ("patches/kernel", "positions", "0/wide/kernel", "0/narrow/kernel")
    asked = (*always, *family.needed)
    missing = [name for name in asked if name not in sizes]
    if missing or len(sizes["patches/kernel"]) != 4:
        raise InputError(
            f"it is not of {family.name}, as it has no "
            f"{', '.join(missing) or 'convolution of patches'}; its file is "
            "the model.safetensors of Hugging Face"
        )
    width, _, patch, _ = sizes["patches/kernel"]
    hidden = sizes["0/narrow/kernel"][-1]
    if "num_attention_heads" not in config and width not in family.widths:
        raise InputError(
            f"it has {width} channels, and {CONFIG}, which says how many heads share "
            "them, is not beside it"
        )
    shape = Architecture(
        width=width,
        hidden=hidden,
        depth=1 + max(int(n.split("/")[0]) for n in sizes if n[0].isdigit()),
        heads=int(config.get("num_attention_heads", max(1, width // HEAD))),
        patch=patch,
        grid=math.isqrt(math.prod(sizes["positions"][:-1]) - 1),
        registers=math.prod(sizes.get("registers", (0, 0))[:-1]),
        projected=sizes.get("projection", (0,))[0],
        gated=sizes["0/wide/kernel"][0] != hidden,
        activation=str(config.get("hidden_act", family.activation)),
        epsilon=float(config.get("layer_norm_eps", family.epsilon)),
    )
    check(shape)
    return shape


def _optional(sizes: Mapping[str, Any]) -> dict[str, bool]:
    return {
        "patches/bias": "patches/bias" in sizes,
        "norm_in": any(name.startswith("norm_in") for name in sizes),
        "scales": any("/scale_" in name for name in sizes),
    }


def _differences(shape: Architecture, config: Mapping[str, Any]) -> list[str]:
    """Where a config.json is of another network."""
    said = {
        "hidden_size": shape.width,
        "num_hidden_layers": shape.depth,
        "patch_size": shape.patch,
    }
    return [
        f"{CONFIG} has {name} {config[name]}, the weights have {value}"
        for name, value in said.items()
        if config.get(name, value) != value
    ]


def _config(path: Path) -> dict[str, Any]:
    """What a config.json says of the network of pictures; empty without one."""
    if not path.is_file():
        return {}
    try:
        said = json.loads(path.read_text())
        return dict(said.get("vision_config", said))
    except (ValueError, AttributeError, TypeError, OSError) as error:
        raise InputError(f"{path} cannot be read ({error})") from None
