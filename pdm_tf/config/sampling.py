"""The one home of default samplers, steps and guidance; `docs/samplers.md` has why."""

from collections.abc import Sequence
from typing import NamedTuple

from pdm_tf.errors import SettingError

GUIDANCE = 1.5  # weight w of every command that guides; the paper's is of this size

COMPOSED = 3.0  # of COW: the seed is kept better than with less (docs/compose.md)
JIT_GUIDANCE = 2.9  # that the authors of JiT sample with (arXiv 2511.13720)


class SamplerDefault(NamedTuple):
    """A sampler by its name, and its steps."""

    sampler: str
    steps: int


BEST = SamplerDefault("dpm_solver_sde", 20)  # closest to the data in so few calls
GRIDS = SamplerDefault("ddpm", 50)  # grids of samples in training, checks of exports
EDITS = SamplerDefault("ddpm", 100)  # noise in each step fits what an edit holds fast
COMPARED = SamplerDefault("ddim", 50)  # same seeds, two models: no noise in between
CACHED = SamplerDefault("ddim", 100)  # as many as DeepCache's paper counts keys in
METRICS = SamplerDefault("ddpm", 250)  # the paper's, of which published figures are
FEW = SamplerDefault("lcm", 4)  # what consistency models are for
REVERSED = 4  # steps that IDM learns at once
HALVED = "ddim_trailing"  # that progressive distillation teaches
UNROLLED = SamplerDefault(HALVED, 5)  # that MMD-DDM tunes, as its paper does
PAIRED = SamplerDefault("dpm_solver", 10)  # pairs of noise and picture, by an ODE
WATCHED = SamplerDefault(BEST.sampler, 10)  # metrics during training, often and cheap
EXPORTED = ("ddpm", "ddim", "dpm_solver", "dpm_solver_sde")  # that a SavedModel holds


def check_guidance(taken: Sequence[float] | None, weight: float) -> None:
    """Raises SettingError for a w that lies outside of what a model takes as an input.

    w = 1, no guidance, is always taken.
    """
    if taken is None or weight == 1.0 or taken[0] <= weight <= taken[1]:
        return
    besides = "1 and " * (taken[0] > 1.0)
    remedy = f"the model takes {besides}from {taken[0]:g} to {taken[1]:g}"
    raise SettingError("guidance", weight, remedy)
