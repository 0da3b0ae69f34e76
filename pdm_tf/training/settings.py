"""Settings that no training can run with are refused before anything is built."""

import math
from pathlib import Path

from pdm_tf.config import AveragingConfig, TrainingConfig
from pdm_tf.config.averaging import LONGEST
from pdm_tf.errors import SettingError

_LAST_SEED = 2**31 - 1
_COUNTS = (  # at least 1
    "iterations",
    "batch_size",
    "steps_per_call",
    "log_every",
    "save_every",
    "ema_every",
    "keep",
)
_AMOUNTS = (  # 0 or more
    "learning_rate",
    "warmup",
    "clip_norm",
    "sample_every",
    "snr_low",
    "snr_high",
    "microbatch",
    "watch_steps",
)


def check_training(training: TrainingConfig) -> None:
    """Raises SettingError for settings that no training can run with."""
    for name in _COUNTS:
        check_count(name, getattr(training, name))
    for name in _AMOUNTS:
        value = getattr(training, name)
        if not (value >= 0 and math.isfinite(value)):
            raise SettingError(name, value, "give 0 or more")
    for name in ("label_dropout", "ema_decay", "beta_1", "beta_2"):
        value = getattr(training, name)
        if not 0 <= value <= 1 or (name.startswith("beta") and value == 1):
            raise SettingError(name, value, "give a fraction between 0 and 1")
    if not 0 <= training.seed <= _LAST_SEED:
        raise SettingError("seed", training.seed, f"choose from 0 to {_LAST_SEED}")
    _check_directories(training.run_dir, training.init_from)


def check_averaging(averaging: AveragingConfig) -> None:
    """Raises SettingError for averages that there cannot be."""
    for name, highest in (("ema_decays", 1.0), ("ema_lengths", LONGEST)):
        given = getattr(averaging, name)
        if not all(0 < value <= highest for value in given):
            raise SettingError(name, given, f"give numbers above 0, up to {highest:g}")


def check_count(name: str, value: int) -> None:
    """Raises SettingError for a number of something that is not at least 1."""
    if value < 1:
        raise SettingError(name, value, "at least 1 is needed")


def _check_directories(own: str, source: str) -> None:
    if not own.strip() or not own.isprintable():
        raise SettingError("run_dir", repr(own), "name a directory")
    if not source.isprintable():
        raise SettingError("init_from", repr(source), "name the directory of a run")
    if source and Path(source).resolve() == Path(own).resolve():
        raise SettingError(
            "init_from",
            source,
            "is the run's own directory; leave it out to resume the run, or give "
            "another `run_dir`",
        )
