"""What docs/few_steps.md compares: its models, and what of each is measured."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pdm_tf.assemble import OpenedModel, derive, open_model
from pdm_tf.config.distillation import (
    GuidanceLoraConfig,
    LcmLoraConfig,
    MMDConfig,
    ProgressiveConfig,
    SlimFlowConfig,
    SpectralConfig,
)
from pdm_tf.profiling.flops import count_denoise_flops

WEIGHT = 1.5


class Recipe(NamedTuple):
    """How a model is made: by which method, of which model."""

    method: str
    base: str  # a name of another recipe, or "base"
    config: Any


CHAIN = (8, 4, 2, 1)  # steps of the models of progressive distillation
RECIPES = {
    "lcm": Recipe("lcm_lora", "base", LcmLoraConfig(guidance=WEIGHT)),
    "guided": Recipe("guidance_lora", "base", GuidanceLoraConfig(guidance=WEIGHT)),
    "mmd-5": Recipe("mmd", "guided", MMDConfig()),
    "mmd-lcm-2": Recipe("mmd", "lcm", MMDConfig(steps=2)),
    "spectral": Recipe("spectral", "base", SpectralConfig()),
    "slim": Recipe(
        "spectral", "base", SpectralConfig(gated=False, spatial=0.0, frequency=0.0)
    ),
}
RECIPES |= {
    f"progressive-{steps}": Recipe(
        "progressive",
        f"progressive-{2 * steps}" if 2 * steps in CHAIN else "base",
        ProgressiveConfig(steps=steps),
    )
    for steps in CHAIN
}
for _kind, _annealed in (("annealed", 0.5), ("naive", 0.0)):
    _flow = SlimFlowConfig(annealed=_annealed)
    RECIPES[f"straight-{_kind}"] = Recipe("slimflow", "base", _flow)
    RECIPES[f"slimflow-{_kind}"] = Recipe(
        "slimflow", f"straight-{_kind}", replace(_flow, pair_sampler="ddim")
    )


# Of photographs.
PHOTOS: dict[str, Any] = {"validation_images": 200}
RECIPES["lcm-photos"] = Recipe(  # at which it is less steady
    "lcm_lora", "base", LcmLoraConfig(iterations=700, save_every=100, keep=12, **PHOTOS)
)
RECIPES |= {
    f"progressive-photos-{steps}": Recipe(
        "progressive",
        f"progressive-photos-{2 * steps}" if 2 * steps in CHAIN else "base",
        ProgressiveConfig(steps=steps, **PHOTOS),
    )
    for steps in CHAIN
}
_UNROLLED = MMDConfig(sampler="dpm_solver", steps=4, batch_size=48, **PHOTOS)
RECIPES["mmd-photos-4"] = Recipe("mmd", "base", _UNROLLED)
RECIPES["spectral-photos"] = RECIPES["spectral"]
_FLOW = SlimFlowConfig(**PHOTOS)
RECIPES["straight-photos"] = Recipe("slimflow", "base", _FLOW)
RECIPES["slimflow-photos"] = Recipe(
    "slimflow", "straight-photos", replace(_FLOW, pair_sampler="ddim")
)


def make_models(
    base: str, out: Path, names: Iterable[str]
) -> dict[str, OpenedModel] | None:
    """The base and models of these names, trained in OUT or found there.

    Returns:
      Models by name, the base as "base"; None where a training was stopped.
    """
    places = {"base": base}

    def make(name: str) -> bool:
        if name in places:
            return True
        recipe = RECIPES[name]
        if (out / name / "model.json").is_file():
            places[name] = str(out / name)
            return True
        if not make(recipe.base):
            return False
        places[name] = str(out / name)
        given = recipe.method, places[recipe.base], places[name], recipe.config
        return bool(derive(*given))

    if not all(map(make, names)):
        return None
    return {name: open_model(places[name]) for name in ("base", *names)}


def operations(model: OpenedModel) -> int:
    """Floating-point operations of one evaluation of a model's network."""
    found: list[int] = []

    def count(denoise: Any) -> Any:
        shape = model.denoiser.image_shape
        found.append(count_denoise_flops(denoise.network, shape) or 0)
        return denoise

    model.denoiser.map_innermost(count)
    return sum(found)


def nearest(pictures: np.ndarray, real: np.ndarray) -> float:
    """Mean distance of pictures uint8 to the nearest of the real ones, in [0, 1] RMS.

    Whoever repeats what it learnt is nearer than others are.
    """
    x, y = (np.float32(p).reshape(len(p), -1) / 255.0 for p in (pictures, real))
    squares = (y * y).sum(1)
    least = [np.min((r * r).sum() - 2.0 * y @ r + squares) for r in x]
    return float(np.mean(np.sqrt(np.maximum(least, 0.0) / x.shape[1])))


def log_power(pictures: np.ndarray) -> np.ndarray:
    """log10 of the mean power of pictures uint8 by frequency, rings of one each.

    Returns:
      float64 [N / 2 + 1], of 0 to N / 2 periods a side of N pixels.
    """
    x = np.float64(pictures).mean(-1) / 127.5 - 1.0
    size = x.shape[1]
    power = (np.abs(np.fft.fft2(x, norm="ortho")) ** 2).mean(0)
    each = np.fft.fftfreq(size, 1.0 / size)
    radius = np.rint(np.hypot(each[:, None], each[None])).astype(int)
    rings = [power[radius == r].mean() for r in range(size // 2 + 1)]
    return np.log10(np.maximum(rings, 1e-12))


def top_octave_error(pictures: np.ndarray, real: np.ndarray) -> float:
    """Root mean square of the difference of log powers above half of the highest."""
    gap = log_power(pictures) - log_power(real)
    return float(np.sqrt(np.mean(gap[len(gap) // 2 :] ** 2)))
