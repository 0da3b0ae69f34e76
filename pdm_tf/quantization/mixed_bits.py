"""How many bits each layer of a network is given: measured, and solved for."""

import re
import time
from collections.abc import Callable, Iterable

import numpy as np
import tensorflow as tf

from pdm_tf.config.quantization import FLOAT, MixDQConfig
from pdm_tf.errors import SettingError
from pdm_tf.networks.transforms import layers_of
from pdm_tf.quantization.allocation import Group, allocate, left_float, split_budget
from pdm_tf.quantization.cost import multiplications
from pdm_tf.quantization.deriving import Fitting
from pdm_tf.quantization.layer import QuantizedLayer
from pdm_tf.quantization.observing import by_step, observe
from pdm_tf.quantization.ranges import fit_ranges
from pdm_tf.quantization.rounding import round_to_nearest
from pdm_tf.quantization.spec import OUTER, LayerSpec, NumberFormat
from pdm_tf.quantization.trials import Trials

LINES_APART = 10  # layers between two lines on what goes on


def check_choices(config: MixDQConfig) -> None:
    """Raises SettingError for bits or shares that there cannot be."""
    for name, mean in (
        ("weight_choices", config.weight_bits),
        ("activation_choices", config.activation_bits),
    ):
        choices = getattr(config, name)
        if not choices or min(choices) < 2 or max(choices) > 16:
            raise SettingError(name, choices, "give numbers of bits from 2 to 16")
        if mean < min(choices):
            setting = name.replace("choices", "bits")
            remedy = f"give {min(choices)} or more, or fewer among `{name}`"
            raise SettingError(setting, mean, remedy)
    if not all(k > 0 for k in config.budget_splits) or not config.budget_splits:
        raise SettingError("budget_splits", config.budget_splits, "give some above 0")


def content_of(paths: Iterable[str]) -> set[str]:
    """The layers that make a picture's content: attention, middle, deepest level."""
    listed = list(paths)
    levels = [int(m[1]) for p in listed if (m := re.match(r"(?:down|up)_(\d+)_", p))]
    deepest = max(levels, default=0) or "none"
    pattern = rf"middle_.*|.*attention/.*|(down|up)_{deepest}_.*"
    return {path for path in listed if re.fullmatch(pattern, path)}


def find_weight_bits(
    trials: Trials, fitting: Fitting, config: MixDQConfig
) -> dict[str, int]:
    """Bits of the weights of all layers but the outer ones, their mean as wanted.

    With `decoupled` the layers that make content are scored by SSIM of pictures and
    the others by the output's error; the budget is split between both in several ways,
    and of these that one counts whose pictures are nearest to the model's own.

    Args:
      trials: the network.
      fitting: the same, of an empty plan.
      config: of the method.
    """
    paths = [p for p in trials.layers if not re.fullmatch(OUTER, p)]
    if config.weight_bits >= max(config.weight_choices):
        return dict.fromkeys(paths, config.weight_bits)
    content = content_of(paths) if config.decoupled else set()
    first, rest = (
        _group(trials, fitting, config, [p for p in paths if (p in content) == inside])
        for inside in (True, False)
    )
    if not first.paths or not rest.paths:
        whole, mean = (first if first.paths else rest), config.weight_bits
        only = whole.solve(config.weight_choices, mean * int(whole.sizes.sum()))
        assert only is not None  # the mean is above the fewest bits
        return only
    return _best_split(trials, fitting, config, first, rest)


def _group(
    trials: Trials, fitting: Fitting, config: MixDQConfig, paths: list[str]
) -> Group:
    """The scores of some layers, all of them content or none."""
    by_pictures = config.decoupled and set(paths) <= content_of(trials.layers)

    def score(path: str) -> np.ndarray:
        found = [
            _weight_score(trials, fitting, path, bits, by_pictures)
            for bits in config.weight_choices
        ]
        trials.layers[path].reset()
        return np.array(found)

    kind = "pictures" if by_pictures else "outputs"
    scores = _each(fitting, f"weights_by_{kind}", paths, score)
    sizes = [int(np.prod(fitting.kernel(path).shape)) for path in paths]
    return Group(paths, np.array(sizes, np.int64), scores)


def _weight_score(
    trials: Trials, fitting: Fitting, path: str, bits: int, by_pictures: bool
) -> float:
    trials.layers[path].weights.assign(rounded_kernel(fitting, path, bits))
    return trials.similarity() if by_pictures else -trials.noise()


def rounded_kernel(fitting: Fitting, path: str, bits: int) -> tf.Tensor:
    """A kernel as it is once rounded to nearest."""
    kernel = fitting.kernel(path)
    layer = QuantizedLayer(kernel.shape, LayerSpec(NumberFormat(bits)))
    round_to_nearest(layer, kernel, "mse")
    return layer.kernel(tf.constant(kernel))


def _best_split(
    trials: Trials, fitting: Fitting, config: MixDQConfig, content: Group, rest: Group
) -> dict[str, int]:
    """Of several splits of the budget that whose pictures are nearest."""
    best: tuple[float, dict[str, int]] | None = None
    for k in config.budget_splits:
        found = split_budget(
            config.weight_choices, config.weight_bits, k, content, rest
        )
        if found is None:
            continue
        for path, bits in found.items():
            trials.layers[path].weights.assign(rounded_kernel(fitting, path, bits))
        error = trials.picture_noise()
        fitting.context.note(
            f"content at {k:g} of the others' bits: {_decibels(error)}"
        )
        if best is None or error < best[0]:
            best = error, found
    trials.reset()
    if best is None:
        remedy = "no split of the budget leaves each layer one of `weight_choices`"
        raise SettingError("budget_splits", config.budget_splits, remedy)
    return best[1]


def find_activation_bits(
    trials: Trials, fitting: Fitting, config: MixDQConfig
) -> dict[str, int]:
    """Bits of what each layer reads; those that suffer most read float32.

    Args:
      trials: the network.
      fitting: the same, of an empty plan.
      config: of the method.
    """
    if config.activation_bits == FLOAT:
        return dict.fromkeys(trials.layers, FLOAT)
    paths, mean = list(trials.layers), config.activation_bits
    seen = observe(fitting.denoise, fitting.rows, paths)
    choices = sorted({*config.activation_choices, mean, max(mean, config.outer_bits)})
    steps = by_step(fitting.rows, None)

    def score(path: str) -> np.ndarray:
        kernel = layers_of(fitting.denoise.network)[path].kernel
        found = []
        for bits in choices:
            layer = QuantizedLayer(kernel.shape, LayerSpec(None, NumberFormat(bits)))
            fit_ranges(layer, seen[path], steps, "mse")
            low, high = (float(v.numpy()[0, 0]) for v in (layer.low, layer.high))
            trials.layers[path].round_inputs(low, high, bits)
            found.append(-trials.noise())
        trials.layers[path].reset()
        return np.array(found)

    scores = _each(fitting, "activations", paths, score)
    read = [s.positions[0] * s.low.shape[1] for s in map(seen.get, paths) if s]
    given = _activations(paths, scores, np.array(read, np.int64), choices, config)
    place = [choices.index(given[path]) for path in paths]
    noise = -scores[np.arange(len(paths)), place]
    work = multiplications(fitting.denoise)
    left = left_float(paths, noise, [work[p] for p in paths], config.float_share)
    return given | dict.fromkeys(left, FLOAT)


def _activations(
    paths: list[str],
    scores: np.ndarray,
    read: np.ndarray,
    choices: list[int],
    config: MixDQConfig,
) -> dict[str, int]:
    """Bits before any is left float32: outer layers have theirs."""
    mean = config.activation_bits
    outer = max(mean, config.outer_bits)
    inner = [i for i, path in enumerate(paths) if not re.fullmatch(OUTER, path)]
    allowed = [i for i, c in enumerate(choices) if c in config.activation_choices]
    given = dict.fromkeys(paths, outer)
    if mean >= max(config.activation_choices):
        return given | {paths[i]: mean for i in inner}
    costs = read[inner][:, None] * np.array(choices, np.int64)[allowed]
    found = allocate(
        scores[np.ix_(inner, allowed)], costs, mean * int(read[inner].sum())
    )
    assert found is not None  # the mean is above the fewest bits
    return given | {
        paths[i]: choices[allowed[c]] for i, c in zip(inner, found, strict=True)
    }


def _each(
    fitting: Fitting,
    stage: str,
    paths: list[str],
    score: Callable[[str], np.ndarray],
) -> np.ndarray:
    """Scores of each layer, [L, C], or what an earlier command has found of it."""
    context, began, done, rows = fitting.context, time.monotonic(), 0, []
    for i, path in enumerate(paths):
        name = f"{fitting.name}.{stage}.{path.replace('/', '.')}"
        kept = context.kept(name)
        found = kept["scores"] if kept is not None else score(path)
        if kept is None:
            context.keep(name, {"scores": found})
            done += 1
        rows.append(found)
        if done and not (i + 1) % LINES_APART:
            left = (time.monotonic() - began) / done * (len(paths) - i - 1)
            context.note(f"{stage} {i + 1}/{len(paths)}; {left / 60:.0f} min left")
    return np.array(rows).reshape(len(paths), -1)


def _decibels(power: float) -> str:
    return f"{-10 * np.log10(max(power, 1e-30)):.1f} dB"
