"""Weights of JiT by the names that its authors' code gives them."""

import re
from collections.abc import Mapping

import numpy as np

from pdm_tf.config.transformer import JiTConfig
from pdm_tf.convert import assigning
from pdm_tf.convert.assigning import Chosen, paths_of
from pdm_tf.errors import InputError
from pdm_tf.networks.jit import JiT

PREFIX = "net."
FIXED = "pos_embed"  # stored in their files, and computed here
# Their names of a block's layers, and ours.
_BLOCK = {
    "adaLN_modulation.1": "modulation/out",
    "norm1": "norm_1",
    "attn.qkv": "attention/qkv",
    "attn.q_norm": "attention/query_norm",
    "attn.k_norm": "attention/key_norm",
    "attn.proj": "attention/out",
    "norm2": "norm_2",
    "mlp.w12": "mlp/gated",
    "mlp.w3": "mlp/out",
}
_AROUND = {
    "x_embedder.proj1": "patches_in",
    "x_embedder.proj2": "tokens_in",
    "t_embedder.mlp.0": "time_1",
    "t_embedder.mlp.2": "time_2",
    "final_layer.adaLN_modulation.1": "modulation/out",
    "final_layer.norm_final": "norm",
    "final_layer.linear": "patches_out",
}
_WHOLE = {
    "y_embedder.embedding_table.weight": "classes/embeddings",
    "in_context_posemb": "context",
}
_KINDS = ("weight", "bias")
_PUBLISHED = {12: 4, 24: 8, 32: 10}  # first block with tokens of the class, by depth


def path_of(name: str) -> str | None:
    """Our path of a weight, less the network's name; None for one that is unknown."""
    name = name.removeprefix(PREFIX)
    if name in _WHOLE:
        return _WHOLE[name]
    layer, _, kind = name.rpartition(".")
    block = re.fullmatch(r"blocks\.(\d+)\.(.+)", layer)
    if block:
        path = _BLOCK.get(block[2])
        path = path and f"block_{block[1]}/{path}"
    else:
        path = _AROUND.get(layer)
    if path is None or kind not in ("weight", "bias"):
        return None
    gain = path.rpartition("/")[2].startswith(("norm", "query_norm", "key_norm"))
    if gain and kind == "bias":
        return None
    return f"{path}/{'gamma' if gain else {'weight': 'kernel'}.get(kind, kind)}"


def turned_over(value: np.ndarray) -> np.ndarray:
    """A weight [out, in] or [out, in, h, w] as ours, [h·w·in, out]."""
    if value.ndim == 4:
        return value.transpose(2, 3, 1, 0).reshape(-1, value.shape[0])
    return value.T


def config_of(
    weights: Mapping[str, np.ndarray],
    context_start: int | None = None,
    height: int | None = None,
) -> JiTConfig:
    """The network that weights belong to, by their names and shapes.

    Args:
      weights: by their names, `pos_embed` among them unless `height` is given.
      context_start: first block that has the tokens of the class; None: that of the
        published network of the same depth.
      height: height and width of the pictures [pixels].

    Raises:
      InputError: not the weights of a JiT, or of one whose context_start is unknown.
    """
    named = {name.removeprefix(PREFIX): value for name, value in weights.items()}
    first = named.get("x_embedder.proj1.weight")
    if first is None or first.ndim != 4 or "blocks.0.attn.q_norm.weight" not in named:
        raise InputError("the weights are not those of a JiT: no x_embedder.proj1")
    wide = named["x_embedder.proj2.weight"].shape[0]
    depth = sum("norm1.weight" in name for name in named)
    patch, channels = first.shape[2], first.shape[1]
    if height is None:
        height = patch * round(named[FIXED].shape[1] ** 0.5)
    context = named.get("in_context_posemb", np.zeros([1, 0, wide])).shape[1]
    if context and context_start is None and depth not in _PUBLISHED:
        raise InputError(
            f"context_start: unknown for {depth} blocks; give the first block that has "
            "the tokens of the class"
        )
    start = _PUBLISHED.get(depth, 0) if context_start is None else context_start
    return JiTConfig(
        image_shape=(height, height, channels),
        patch_size=patch,
        hidden_size=wide,
        depth=depth,
        num_heads=wide // named["blocks.0.attn.q_norm.weight"].shape[0],
        num_classes=len(named["y_embedder.embedding_table.weight"]) - 1,
        bottleneck=first.shape[0],
        context_tokens=context,
        context_start=start,
    )


def names_of(network: JiT) -> dict[str, str]:
    """The authors' name of each of a network's weights, by our path."""
    known = [*(f"{layer}.{kind}" for layer in _AROUND for kind in _KINDS), *_WHOLE]
    for i in range(network.config.depth):
        known += [f"blocks.{i}.{layer}.{kind}" for layer in _BLOCK for kind in _KINDS]
    named = {path_of(name): name for name in known}
    return {path: PREFIX + named[path] for path in paths_of(network)}


def assign(network: JiT, weights: Mapping[str, np.ndarray]) -> None:
    """Gives a network the weights of the authors' code.

    Raises:
      InputError: names that are missing, too many, or of other shapes; all are said.
    """
    names = [name for name in weights if name.removeprefix(PREFIX) != FIXED]
    assigning.assign(network, Chosen(weights, names), path_of, as_ours)


def as_ours(path: str, value: np.ndarray) -> np.ndarray:
    """A weight of theirs in our layout."""
    if path.endswith("kernel"):
        return turned_over(value)
    return value[0] if path == "context" else value


def as_theirs(path: str, value: np.ndarray, patch_size: int) -> np.ndarray:
    """A weight of ours in their layout."""
    if path == "patches_in/kernel":
        over = value.T.reshape(value.shape[1], patch_size, patch_size, -1)
        return over.transpose(0, 3, 1, 2)
    if path == "tokens_in/kernel":
        return value.T[..., None, None]  # a convolution of 1×1
    if path.endswith("kernel"):
        return value.T
    return value[None] if path == "context" else value
