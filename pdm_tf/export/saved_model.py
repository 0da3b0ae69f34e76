"""Writes the whole sampler as one SavedModel, for any N and any number of steps."""

import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import tensorflow as tf

from pdm_tf.config import ExportConfig, InputError, SamplingConfig, Variance
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.export.requests import denoise_signature, sample_signatures
from pdm_tf.export.weights import (
    with_constants_where_small,
)
from pdm_tf.profiling.parameters import count_parameters
from pdm_tf.samplers import DDPM, SAMPLERS, SPACINGS, Sampler, evaluations

Signatures = dict[str, Callable]


def _walks(
    denoiser: Denoiser, sampling: SamplingConfig, samplers: dict[str, Sampler]
) -> Signatures:
    """Two signatures for each sampler; those of the first carry no name."""
    made: Signatures = {}
    for name, sampler in samplers.items():
        end = f"_{name}" if made else ""
        steps, timesteps = sample_signatures(
            denoiser, sampling, sampler, SPACINGS[name]
        )
        made |= {f"sample{end}": steps, f"sample_at{end}": timesteps}
    return made


def _describe(
    denoiser: Denoiser, record: str, samplers: dict[str, Sampler]
) -> dict[str, Any]:
    return {
        "parameters": count_parameters(denoiser.variables),
        "image_shape": list(denoiser.image_shape),
        "num_classes": denoiser.num_classes,
        "timesteps": denoiser.schedule.timesteps,
        "sampler": next(iter(samplers)),
        "samplers": {
            name: {"spacing": SPACINGS[name], "evaluations": evaluations(sampler)}
            for name, sampler in samplers.items()
        },
        "record": record,
    }


def build_module(
    denoiser: Denoiser,
    record: str,
    sampling: SamplingConfig,
    samplers: dict[str, Sampler],
) -> tuple[tf.Module, Signatures]:
    """What is saved: functions that reach networks by closure, and large weights.

    Large ones are raw variables: a Keras model that is itself tracked would load in
    Python, but not through the session loader of TF Serving and C++.
    """
    text = json.dumps(_describe(denoiser, record, samplers))
    denoiser = with_constants_where_small(denoiser)
    module = tf.Module(name="pdm")
    module.weights = dict(denoiser.variables)
    signatures = {
        **_walks(denoiser, sampling, samplers),
        "denoise": denoise_signature(denoiser),
        "config": tf.function(lambda: {"config": tf.constant(text)}, []),
    }
    for name, function in signatures.items():
        setattr(module, name, function)
    return module, signatures


def open_samplers(names: Sequence[str], variance: Variance) -> dict[str, Sampler]:
    """The samplers of these names, each once, in this order.

    Raises:
      InputError: none, or a name that is not on the shelf.
    """
    if not names:
        raise InputError(f"--sampler is empty: choose from {', '.join(SAMPLERS)}")
    for name in names:
        if name not in SAMPLERS:
            raise InputError(
                f"--sampler={name}: choose from {', '.join(SAMPLERS)}, separated by "
                "commas"
            )
    makers: dict[str, Callable] = {**SAMPLERS, "ddpm": partial(DDPM, variance)}
    return {name: makers[name]() for name in names}


def export_saved_model(
    denoiser: Denoiser,
    directory: str | Path,
    record: str = "",
    sampling: SamplingConfig | None = None,
    samplers: Sequence[str] = ExportConfig.sampler,
) -> None:
    """Writes a SavedModel with the signatures sample, sample_at, denoise and config.

    `sample` (also `serving_default`): seeds int32 [N], labels int32 [N] (ignored
    without classes), steps int32 [], guidance float32 [] -> images uint8 [N, H, W, C].
    `sample_at`: the same with timesteps int32 [S], falling, in the place of steps.
    Both walk with the first sampler; `sample_NAME` and `sample_at_NAME` with another.
    `denoise`: z float32 [N, H, W, C], t int32 [N], labels int32 [N] -> x, variance.
    `config`: a JSON string.

    The directory appears whole or not at all; an older export is replaced.

    Args:
      denoiser: what is asked at every step.
      directory: where it goes; must be new, empty, or an older export.
      record: the run's flagfile, kept in the JSON string.
      sampling: what is decided once for all requests: thresholding, guidance
        interval, variance.
      samplers: names of `SAMPLERS`; each costs some graph, the weights are stored once.

    Raises:
      InputError: the directory holds something else, or no such sampler.
    """
    directory, sampling = Path(directory), sampling or SamplingConfig()
    opened = open_samplers(samplers, sampling.variance)
    if directory.exists() and not _replaceable(directory):
        raise InputError(
            f"--export_dir={directory}: holds something that is no SavedModel; choose "
            "a new or empty directory"
        )
    directory.parent.mkdir(parents=True, exist_ok=True)
    module, signatures = build_module(denoiser, record, sampling, opened)
    signatures["serving_default"] = signatures["sample"]
    beside = Path(tempfile.mkdtemp(prefix=".export-", dir=directory.parent))
    try:
        tf.saved_model.save(module, str(beside / "new"), signatures)
        if directory.exists():
            directory.rename(beside / "old")
        (beside / "new").rename(directory)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _replaceable(directory: Path) -> bool:
    return (directory / "saved_model.pb").is_file() or not any(directory.iterdir())
