"""Adapters as vectors: their sum, at any scales, on another base (arXiv 2311.05556).

What an adapter changes of a kernel is a product A·B, so a sum of adapters is one too:
sum of s·A·B = [A1 A2 …]·[s1·B1; s2·B2; …]. What takes a weight of guidance, see
`lora.GuidedLora`, is summed apart. An acceleration vector and a style vector
make a fast model of that style without training (section 3.2 there); scale -1 takes an
adapter out again.
"""

import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from pdm_tf.adapters.lora import GuidedLora, Lora
from pdm_tf.config.adapters import AddConfig as Config
from pdm_tf.denoisers import Derivation, NetworkDenoiser
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.distilled import distilled, refuse_distilled
from pdm_tf.errors import InputError, SettingError
from pdm_tf.networks.transforms import layers_of

__all__ = ["KIND", "PAPER", "Config", "derive"]

KIND = "adapter"
PAPER = (
    "LCM-LoRA: A Universal Stable-Diffusion Acceleration Module, Luo et al., "
    "arXiv 2311.05556"
)
REPORTED = "one acceleration vector serves Stable Diffusion and models tuned from it"

# A, B and, of what takes w, c: by path of the layer.
Factors = dict[str, tuple[np.ndarray, ...]]
_NAME = re.compile(r"plan\.(?P<layer>.+?)(?P<place>(\.\d+)*)\.(?P<factor>a|b|c)")


def derive(base: Denoiser, config: Config, context: Any) -> Derivation:
    """The base with the sum of adapters that lie in other directories.

    Args:
      base: a model of the shape that they were trained on.
      config: settings of the method.
      context: reads what those models added to their own bases.

    Raises:
      InputError: what is no adapter, or fits no layer of the base; two that distil.
    """
    if context.restoring:
        facts = context.facts
        means, taking = facts["distilled"], facts.get("ranks_taking_w", {})
        made = _adapted(_adapted(base, facts["ranks"], {}), taking, {}, _weight(means))
        return Derivation(_used(made, means))
    scales = _scales(config)
    entries, found = [], list[Mapping[str, np.ndarray]]()
    for place in config.adapter:
        entry, arrays = context.read_added(place)
        facts = entry.get("facts", {})
        if entry.get("kind") == "distilled" and not facts.get("distilled"):
            remedy = "does not say what it is for; derive it again with this version"
            raise SettingError("adapter", place, remedy)
        entries.append(entry)
        found.append(arrays)
    means = _distilled_by(base, config.adapter, entries)
    networks: list[keras.Model] = []
    base.map_innermost(lambda part: _noted(part, networks))
    given = list(zip(config.adapter, found, strict=True))
    plain, taking = (
        summed([read_factors(networks[0], *one, taking_w) for one in given], scales)
        for taking_w in (False, True)
    )
    ranks, ranks_taking = map(_ranks, (plain, taking))
    adapted = _adapted(base, ranks, plain)
    student = _used(_adapted(adapted, ranks_taking, taking, _weight(means)), means)
    changes: dict[str, Any] = {}
    for entry in entries:
        changes |= entry.get("sampling", {})
    known: dict[str, Any] = {"ranks": ranks, "distilled": means}
    if ranks_taking:
        known["ranks_taking_w"] = ranks_taking
    return Derivation(student, sampling=changes, facts=known)


def summed(each: Sequence[Factors], scales: Sequence[float]) -> Factors:
    """Factors of the sum of adapters at their scales."""
    members = defaultdict(list)
    for factors, scale in zip(each, scales, strict=True):
        for path, (a, b, *c) in factors.items():
            members[path].append((a, np.float32(scale) * b, *c))
    return {
        path: tuple(
            np.concatenate(factor, axis=0 if i else 1)
            for i, factor in enumerate(zip(*parts, strict=True))
        )
        for path, parts in members.items()
    }


def read_factors(
    network: keras.Model,
    place: str,
    arrays: Mapping[str, np.ndarray],
    taking_w: bool = False,
) -> Factors:
    """Factors by path of the layer, several of one layer put together.

    Args:
      network: that they are to be added to.
      place: where they lie, for messages.
      arrays: by names such as plan.down_0_0.conv_in.a, see `transforms.plan_variables`.
      taking_w: whether those are read that take a weight of guidance, or the others.

    Raises:
      SettingError: what is no adapter, or fits no layer of the network.
    """
    layers = {path.replace("/", "."): path for path in layers_of(network)}
    found = [_NAME.fullmatch(name) for name in arrays]
    if not arrays or not all(found):
        raise SettingError("adapter", place, "holds no adapter, or more than one")
    parts: dict[tuple[str, str], dict[str, np.ndarray]] = defaultdict(dict)
    for name, match in zip(arrays, found, strict=True):
        assert match is not None
        parts[match["layer"], match["place"]][match["factor"]] = arrays[name]
    each: list[Factors] = []
    for (layer, _), pair in parts.items():
        if layer not in layers:
            remedy = f"the base has no layer {layer}; give a base of the same shape"
            raise SettingError("adapter", place, remedy)
        path = layers[layer]
        _check_shapes(place, path, pair, tuple(layers_of(network)[path].kernel.shape))
        if ("c" in pair) == taking_w:
            each.append({path: tuple(pair[name] for name in sorted(pair))})
    return summed(each, [1.0] * len(each))


def _check_shapes(
    place: str, path: str, pair: Mapping[str, np.ndarray], kernel: tuple[int, ...]
) -> None:
    rows, columns = math.prod(kernel[:-1]), kernel[-1]
    shapes = {name: array.shape for name, array in pair.items()}
    rank = shapes.get("a", (0, 0))[-1]
    wanted = {"a": (rows, rank), "b": (rank, columns), "c": (rank,)}
    if shapes != {name: wanted[name] for name in {"a", "b", *shapes}}:
        raise SettingError(
            "adapter",
            place,
            f"its layer {path} is of another shape than the base's, {kernel}; give a "
            "base of the same shape",
        )


def _ranks(factors: Factors) -> dict[str, int]:
    return {path: a.shape[1] for path, (a, *_) in factors.items()}


def _weight(means: Mapping[str, Any] | None) -> float:
    """The w of which none is asked, of what distils."""
    return (means or {}).get("guidance") or 1.0


def _adapted(
    base: Denoiser,
    ranks: Mapping[str, int],
    factors: Factors,
    weight: float | None = None,
) -> Denoiser:
    """The base with an adapter of each rank: these factors, or zeros to be restored.

    Adapters that take w are at this weight; None is for those that take none.
    """
    if not ranks:
        return base

    def adapted(denoise: Denoiser) -> Denoiser:
        network = _network_of(denoise)
        layers = layers_of(network.network)
        plan = {}
        for path, rank in ranks.items():
            shape = tuple(layers[path].kernel.shape)
            rows = math.prod(shape[:-1])
            zeros = (np.zeros([rows, rank]), np.zeros([rank, shape[-1]]))
            found = factors.get(path, zeros)
            if weight is None:
                plan[path] = Lora.of(shape, *found)
            else:
                plan[path] = GuidedLora.of(shape, *found).at_guidance(weight)
        return network.with_plan(plan)

    return base.map_innermost(adapted)


def _used(student: Denoiser, means: Mapping[str, Any] | None) -> Denoiser:
    return distilled(student, **means) if means else student


def _distilled_by(
    base: Denoiser, places: Sequence[str], entries: Sequence[Mapping[str, Any]]
) -> Mapping[str, Any] | None:
    """What the one adapter that distils makes of a denoiser; None for styles alone."""
    found = [
        (place, entry["facts"]["distilled"])
        for place, entry in zip(places, entries, strict=True)
        if entry.get("facts", {}).get("distilled")
    ]
    if len(found) > 1:
        raise SettingError(
            "adapter", found[1][0], f"distils, as {found[0][0]} does; add one of them"
        )
    if not found:
        return None
    refuse_distilled(base)
    return found[0][1]


def _scales(config: Config) -> list[float]:
    count, given = len(config.adapter), list(config.scale)
    if not count:
        raise SettingError("adapter", None, "is missing: name derived models")
    if len(given) not in (1, count):
        raise SettingError("scale", config.scale, f"give one number, or {count}")
    return given * count if len(given) == 1 else given


def _noted(part: Denoiser, networks: list[keras.Model]) -> Denoiser:
    networks.append(_network_of(part).network)
    return part


def _network_of(denoise: Denoiser) -> NetworkDenoiser:
    if not isinstance(denoise, NetworkDenoiser):
        raise InputError(
            f"adapters need a network, and {type(denoise).__name__} has none"
        )
    return denoise
