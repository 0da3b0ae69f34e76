"""One step of a small network, by straight ways: SlimFlow (2407.12718).

Of a base it makes a slim network on the linear process, which learns the straight ways
between noises and the pictures that the base makes of them (annealed reflow). Of such a
model it makes another that goes the whole way in one step.
"""

from typing import Any

import numpy as np
import tensorflow as tf

from pdm_tf.config.distillation import SlimFlowConfig as Config
from pdm_tf.config.sampling import SamplerDefault
from pdm_tf.denoisers import Derivation, NetworkDenoiser
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.derivation import Validation
from pdm_tf.denoisers.distilled import Distilled, distilled, refuse_distilled
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.diffusion.flow import LinearFlow
from pdm_tf.distillation.adapting import inlined, once_guided
from pdm_tf.distillation.spectral import only_network, slim
from pdm_tf.errors import SettingError
from pdm_tf.objectives.draws import kept_labels
from pdm_tf.objectives.reflow import FlowDistillation, Pairs, Reflow
from pdm_tf.progress import progress
from pdm_tf.samplers import SPACINGS, open_sampler, sample_from, start

__all__ = ["KIND", "PAPER", "Config", "derive"]

KIND = "distilled"
PAPER = (
    "SlimFlow: Training Smaller One-Step Diffusion Models with Rectified Flow, Zhu et "
    "al., arXiv 2407.12718"
)
REPORTED = "CIFAR-10: FID 5.02 in one step with 15.7 million parameters"
NOT_REPRODUCED = (
    "LPIPS as the distance (here squares), ImageNet-64; the base is no rectified flow: "
    "its probability flow makes the pairs"
)
_SHARE = 0.47  # of the base's width, whose square is less than a quarter
_SAMPLER = "ddim"  # Euler's method on the linear process
_CHUNK = 100  # pairs drawn at once, and kept
_FIRST_SEED = 2**29


def derive(base: Denoiser, config: Config, context: Any) -> Derivation:
    """A slim network of straight ways, or, of such a model, one of a single step.

    Args:
      base: one patched U-Net; or what this method made of one.
      config: settings of the method.
      context: settings of the base's run.

    Raises:
      InputError: a base that guides by itself, a split, or one of another network.
      SettingError: a width that no network can have, a sampler of pairs that there is
        not, or steps that do not fit.
    """
    if isinstance(base, Distilled) and isinstance(base.schedule, LinearFlow):
        return _one_step(base, config, context)
    refuse_distilled(base)
    teacher = only_network(base)
    width = config.width or max(2, int(_SHARE * teacher.network.config.width))
    made = slim(teacher, width, config.seed, gated=False)
    flow = LinearFlow.of(base.schedule.timesteps)
    student = NetworkDenoiser(made.network, flow)
    guidance = config.guidance if base.takes_conditions else 1.0
    return _derivation(
        base,
        student,
        config,
        context,
        config.steps,
        guidance,
        lambda pairs, variables: Reflow(
            student=inlined(student),
            variables=variables,
            pairs=pairs,
            annealed=config.annealed,
            iterations=config.iterations,
            flips=context.settings.data.horizontal_flip,
        ),
    )


def _one_step(base: Distilled, config: Config, context: Any) -> Derivation:
    """A student that begins as its teacher is."""
    teacher = only_network(base.denoise)
    known = teacher.network.config
    student = NetworkDenoiser(type(teacher.network)(known), teacher.schedule)
    if not context.restoring:
        for own, given in zip(
            student.network.variables, teacher.network.variables, strict=True
        ):
            own.assign(given)
    return _derivation(
        base,
        student,
        config,
        context,
        1,
        base.distilled_guidance or 1.0,
        lambda pairs, variables: FlowDistillation(
            teacher=inlined(teacher),
            student=inlined(student),
            variables=variables,
            pairs=pairs,
            iterations=config.iterations,
            flips=context.settings.data.horizontal_flip,
        ),
    )


def _derivation(
    base: Denoiser,
    student: NetworkDenoiser,
    config: Config,
    context: Any,
    steps: int,
    guidance: float,
    objective: Any,
) -> Derivation:
    """The student as it is used; unless it is opened, with what trains it."""
    facts: dict[str, Any] = {"guidance": guidance, "sampler": [_SAMPLER, steps]}
    changes = once_guided(base, SamplerDefault(_SAMPLER, steps))
    made, known = distilled(student, **facts), {"distilled": facts}
    if context.restoring:
        return Derivation(made, None, changes, known)
    learnt = {n: v for n, v in student.variables.items() if ".variance" not in n}
    pairs = draw_pairs(base, config, guidance, context)
    validation = Validation(_SAMPLER, steps, config.validation_images)
    return Derivation(made, objective(pairs, learnt), changes, known, validation)


def draw_pairs(base: Denoiser, config: Config, guidance: float, context: Any) -> Pairs:
    """Noises and the base's pictures of them, kept in pieces as they are made.

    A share of `label_dropout` has the null label, so that a student can be asked for
    pictures of no class too.
    """
    if config.pairs < 1:
        raise SettingError("pairs", config.pairs, "at least 1 is needed")
    sampler = open_sampler(config.pair_sampler, setting="pair_sampler")
    grid = base.schedule.grid(config.pair_steps, SPACINGS[config.pair_sampler])
    seeds = _FIRST_SEED + np.arange(config.pairs, dtype=np.int32)
    labels = _labels(base, config, context)
    x0 = start(seeds, base.image_shape).numpy()
    made = []
    with progress(None, "pairs", "pictures", total=config.pairs) as bar:
        for first in range(0, config.pairs, _CHUNK):
            rows = slice(first, first + _CHUNK)
            kept = context.kept(f"pairs_{first}")
            if kept is None:
                asked = tf.constant(labels[rows])
                once = for_sampling(base, asked, guidance, context.settings.sampling)
                given = once, sampler, grid, seeds[rows], tf.constant(x0[rows])
                kept = {"x1": sample_from(*given).numpy()}
                context.keep(f"pairs_{first}", kept)
            made.append(np.clip(kept["x1"], -1.0, 1.0))
            bar.update(len(seeds[rows]))
    return Pairs(x0, np.concatenate(made).astype(np.float32), labels)


def _labels(base: Denoiser, config: Config, context: Any) -> np.ndarray:
    """Classes in turn, or the conditions of pictures that teach; some are null.

    Returns:
      int32 [pairs], or rows of conditions, float32 [pairs, n].
    """
    if not base.takes_conditions:
        return np.zeros(config.pairs, np.int32)
    labels = np.arange(config.pairs, dtype=np.int32) % max(1, base.num_classes)
    if base.conditions is not None:
        source = context.open_source()
        chosen = np.linspace(0, len(source) - 1, min(len(source), config.pairs))
        rows = source.read(chosen.astype(int))[1]
        labels = rows[np.arange(config.pairs) % len(rows)]
    drop = np.random.default_rng(config.seed).random(config.pairs)
    return kept_labels(base, labels, drop, config.label_dropout).numpy()
