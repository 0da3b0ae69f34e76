"""The settings that say what weights mean: those marked `sealed` in their `option`.

Shapes do not tell a network that predicts v from one that predicts x, nor a schedule of
500 timesteps from one of 1000. These settings do, so a model is known by its weights
and by them together, and a run keeps them from its first step to its last.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from pdm_tf.config.augmenting import AugmentingConfig
from pdm_tf.config.averaging import AveragingConfig
from pdm_tf.config.guiding import GuidingConfig
from pdm_tf.config.learning import LearningConfig
from pdm_tf.config.monitoring import MonitoringConfig
from pdm_tf.config.run import (
    Config,
    DataConfig,
    DiffusionConfig,
    SamplingConfig,
    TrainingConfig,
    UNetConfig,
)
from pdm_tf.config.transformer import TransformerConfig

# Settings that came after digests, and the values that leave everything as it was.
LATER: dict[str, Any] = {
    "architecture": "unet",
    "process": "vp",
    "noise_scale": 1,
    "velocity_floor": 0,
    **{field.name: field.default for field in dataclasses.fields(GuidingConfig)},
    "guidance_each": [],
    "several_labels": False,
    "attributes": [],
    "timesteps_by": "share",
    "schedule": "linear",
    "shift_from": 0,
    "zero_terminal": False,
    "augment": 0,
    **{field.name: field.default for field in dataclasses.fields(TransformerConfig)},
}

_ROOMS = (
    DataConfig,
    AugmentingConfig,
    DiffusionConfig,
    UNetConfig,
    TransformerConfig,
    TrainingConfig,
    LearningConfig,
    AveragingConfig,
    MonitoringConfig,
    SamplingConfig,
)


def sealed_settings(config: Any) -> dict[str, Any]:
    """The sealed settings of a `Config` or of one of its rooms, by name, for JSON.

    Equal settings are equal values here, however they were written: (2,) is 2, and 2.0
    is 2.
    """
    if isinstance(config, Config):
        rooms = [getattr(config, room.name) for room in dataclasses.fields(config)]
        return {k: v for room in rooms for k, v in sealed_settings(room).items()}
    return {
        field.name: _plain(getattr(config, field.name))
        for field in dataclasses.fields(config)
        if field.metadata["sealed"]
    }


def fixed_settings(sealed: Mapping[str, Any]) -> dict[str, Any]:
    """Those of sealed settings that a run may not change when it is resumed.

    The others change the pictures of a model but not what its weights learnt.
    """
    return {name: sealed[name] for name in sealed if _kinds().get(name) != "model"}


def known_by(sealed: Mapping[str, Any]) -> dict[str, Any]:
    """Those of sealed settings that a digest is of: all but those as `LATER` has them.

    So digests of before stay as they are, and models that were derived from others
    still know them.
    """
    absent = object()
    return {n: v for n, v in sealed.items() if LATER.get(n, absent) != v}


def list_changes(
    saved: Mapping[str, Any],
    given: Mapping[str, Any],
    names: Iterable[str] | None = None,
) -> list[str]:
    """What differs between sealed settings, as "width 32 → 48"; names sorted.

    Args:
      saved: as they were; what is not in it is as in `LATER`.
      given: as they are; likewise.
      names: of the settings that are compared; None: all that either holds.
    """
    old, new = {**LATER, **saved}, {**LATER, **given}
    return [
        f"{name} {_shown(old.get(name))} → {_shown(new.get(name))}"
        for name in sorted(old | new if names is None else names)
        if old.get(name) != new.get(name)
    ]


@cache
def _kinds() -> dict[str, str]:
    return {
        field.name: field.metadata["sealed"]
        for room in _ROOMS
        for field in dataclasses.fields(room)
        if field.metadata["sealed"]
    }


def _plain(value: Any) -> Any:
    """A setting for JSON: lists of one are their member, whole numbers are integers."""
    if isinstance(value, tuple | list):
        parts = [_plain(part) for part in value]
        return parts[0] if len(parts) == 1 else parts
    whole = isinstance(value, float) and value.is_integer()
    return int(value) if whole else value


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(_shown, value)) or "nothing"
    return str(value).lower() if isinstance(value, bool) else str(value)
