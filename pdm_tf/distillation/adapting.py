"""A base and the same with adapters: teacher and student that share their weights."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import tensorflow as tf

from pdm_tf.adapters import lora_plan
from pdm_tf.config.sampling import SamplerDefault
from pdm_tf.denoisers import NetworkDenoiser
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.distilled import refuse_distilled
from pdm_tf.errors import InputError


class Adapted(NamedTuple):
    """A base, and what may learn from it in adapters on its layers."""

    base: Denoiser  # for training
    student: Denoiser  # the base with adapters, as it is used
    learner: Denoiser  # the same, for training
    variables: Mapping[str, tf.Variable]  # of the adapters, by name


def adapt(
    base: Denoiser,
    rank: int,
    seed: int,
    layers: str,
    again: bool = False,
    guidance: float | None = None,
) -> Adapted:
    """New adapters on the networks of a base, each part of a split for itself.

    Args:
      base: may have a plan of its own; it is left as it is.
      rank: of the adapters, see `lora_plan`.
      seed: what their starts are drawn from.
      layers: regular expression for those that are adapted; empty: all.
      again: whether the base may be distilled already.
      guidance: w that the adapters are at, where they take it; None: they do not.

    Raises:
      InputError: a base without networks, or one that is distilled already.
      SettingError: a rank or layers that do not exist.
    """
    if not again:
        refuse_distilled(base)

    def adapted(denoise: Denoiser) -> Denoiser:
        network = _network_of(denoise)
        plan = lora_plan(network.network, rank, seed, layers, guidance=guidance)
        return network.with_plan(plan)

    student = base.map_innermost(adapted)
    held = {id(variable) for variable in base.variables.values()}
    return Adapted(
        base.map_innermost(inlined),
        student,
        student.map_innermost(inlined),
        {n: v for n, v in student.variables.items() if id(v) not in held},
    )


def once_guided(
    base: Denoiser, sampler: SamplerDefault | None = None, guidance: float = 1.0
) -> dict[str, Any]:
    """What a student that guides by itself changes of how its run samples.

    Args:
      base: that it is made of. Weights of its conditions by themselves are left out:
        they would guide a second time.
      sampler: that the student is made for; None: that of the run stays.
      guidance: w by default, where the student takes it.
    """
    changes: dict[str, Any] = {"sample_guidance": guidance, "guidance_interval": ()}
    if base.conditions is not None:
        changes["guidance_each"] = ()
    if sampler is not None:
        changes |= {"sample_sampler": sampler.sampler, "sample_steps": sampler.steps}
    return changes


def _network_of(denoise: Denoiser) -> NetworkDenoiser:
    if not isinstance(denoise, NetworkDenoiser):
        raise InputError(
            f"adapters need a network, and {type(denoise).__name__} has none"
        )
    return denoise


def inlined(denoise: Denoiser) -> NetworkDenoiser:
    """The same, not a function apart: so a training step holds and takes less."""
    network = _network_of(denoise)
    return NetworkDenoiser(
        network.network,
        network.schedule,
        network.prediction,
        network.labels,
        apart=False,
        plan=network.plan,
    )
