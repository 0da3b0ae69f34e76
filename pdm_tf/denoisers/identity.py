"""By what a model is known: the digest of its weights and of what they mean.

Not by a path or a name: two copies of a model are one, and a run that was trained on,
or exported with other settings of sampling, is another.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from pdm_tf.config.sealing import known_by
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.storage.digests import digest_arrays, digest_json


def digest_weights(variables: Mapping[str, tf.Variable]) -> str:
    """SHA-256 of variables: names, types, shapes and numbers, in no order.

    A network's have the same digest by their paths, as checkpoints name them, and by
    the names that its denoiser gives them.
    """
    return digest_arrays(
        {
            name.replace("/", ".").removeprefix("network."): v
            for name, v in variables.items()
        }
    )


def digest_model(
    variables: Mapping[str, tf.Variable],
    sealed: Mapping[str, Any],
    lineage: Sequence[Mapping[str, Any]] = (),
) -> str:
    """SHA-256 of a model.

    Args:
      variables: its weights by name; for a run their averages.
      sealed: see `config.sealing.sealed_settings`; any further key is taken as it is.
      lineage: how it was derived, base first: of each step its method and settings.
    """
    steps = [[step["method"], step["settings"]] for step in lineage]
    settings = known_by(sealed)
    return digest_json([digest_weights(variables), settings, steps])


def seal_of(denoiser: Denoiser) -> dict[str, Any]:
    """What a denoiser tells of itself, where no settings of a run are known."""
    schedule = denoiser.schedule
    return {
        "image_shape": list(denoiser.image_shape),
        "num_classes": denoiser.num_classes,
        "timesteps": schedule.timesteps,
        "betas": digest_json(list(schedule.betas)),
    }
