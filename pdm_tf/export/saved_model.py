"""Writes the whole sampler as one SavedModel, for any N and any number of steps."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from pdm_tf.config import ExportConfig, SamplingConfig
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.errors import SettingError
from pdm_tf.export.warm_up import write_warm_up
from pdm_tf.samplers import SPACINGS, Sampler, evaluations, open_samplers
from pdm_tf.serving.description import Lineage, describe
from pdm_tf.serving.row_signatures import (
    config_signature,
    png_signature,
    rows_signature,
)
from pdm_tf.serving.signatures import (
    denoise_signature,
    sample_signatures,
)
from pdm_tf.serving.weights import with_constants_where_small
from pdm_tf.storage.aliases import plainly_named
from pdm_tf.storage.directories import appearing_directory, recover
from pdm_tf.storage.places import open_place
from pdm_tf.storage.reading import read_regular
from pdm_tf.storage.sums import NAME as SUMS
from pdm_tf.storage.sums import list_names, write_sums

Signatures = dict[str, Callable]
# What a gradient that is saved costs, see `networks.derivatives`.
_OPTIONS = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
_PARTS = {  # that TensorFlow writes
    *("saved_model.pb", "fingerprint.pb"),
    *("variables/variables.index", "variables/variables.data-00000-of-00001"),
}


def _by_sampler(
    denoiser: Denoiser,
    sampling: SamplingConfig,
    samplers: dict[str, Sampler],
    served: bool,
) -> Signatures:
    """The signatures of each sampler; those of the first carry no name."""
    made: Signatures = {}
    for name, sampler in samplers.items():
        end = f"_{name}" if made else ""
        in_steps, at_timesteps = sample_signatures(
            denoiser, sampling, sampler, SPACINGS[name]
        )
        made |= {f"sample{end}": in_steps, f"sample_at{end}": at_timesteps}
        if not served:
            continue
        in_rows = rows_signature(denoiser, in_steps)
        made[f"sample_rows{end}"] = in_rows
        if (as_png := png_signature(denoiser, in_rows)) is not None:
            made[f"sample_png{end}"] = as_png
    return made


def _describe_samplers(samplers: dict[str, Sampler]) -> dict[str, Any]:
    return {
        "sampler": next(iter(samplers)),
        "samplers": {
            name: {"spacing": SPACINGS[name], "evaluations": evaluations(sampler)}
            for name, sampler in samplers.items()
        },
    }


def build_module(
    denoiser: Denoiser,
    record: str,
    sampling: SamplingConfig,
    samplers: dict[str, Sampler],
    lineage: Lineage = (),
    class_names: Sequence[str] = (),
    sealed: Mapping[str, Any] | None = None,
    served: bool = False,
) -> tuple[tf.Module, Signatures]:
    """What is saved: functions that reach networks by closure, and large weights.

    Large ones are raw variables: a Keras model that is itself tracked would load in
    Python, but not through the session loader of TF Serving and C++.
    """
    description = describe(denoiser, sampling, record, lineage, class_names, sealed)
    if sealed is None:  # the rest of it is in the graph, and known by its bytes alone
        del description["digest"]
    known = description | _describe_samplers(samplers) | {"sums": SUMS}
    text = json.dumps(known)
    denoiser = with_constants_where_small(denoiser)
    module = tf.Module(name="pdm")
    module.weights = dict(denoiser.variables)
    signatures = {
        **_by_sampler(denoiser, sampling, samplers, served),
        "denoise": denoise_signature(denoiser),
        "config": tf.function(lambda: {"config": tf.constant(text)}, []),
    }
    if served:
        signatures["config_rows"] = config_signature(text)
    for name, function in signatures.items():
        setattr(module, name, function)
    return module, signatures


def export_saved_model(
    denoiser: Denoiser,
    directory: str | Path,
    record: str = "",
    sampling: SamplingConfig | None = None,
    samplers: Sequence[str] = ExportConfig.sampler,
    lineage: Lineage = (),
    class_names: Sequence[str] = (),
    sealed: Mapping[str, Any] | None = None,
    served: bool = False,
) -> None:
    """Writes a SavedModel with the signatures sample, sample_at, denoise and config.

    `sample` (also `serving_default`): seeds int32 [N], labels int32 [N] (ignored
    without classes), steps int32 [], guidance float32 [] -> images uint8 [N, H, W, C].
    `sample_at`: the same with timesteps int32 [S], falling, in the place of steps.
    These use the first sampler; `sample_NAME`, `sample_at_NAME` and so on another.
    `denoise`: z float32 [N, H, W, C], t int32 [N], labels int32 [N] -> x, variance.
    `config`: a JSON string.

    For servers, `served`, which cost a third more memory in `tf.saved_model.load`:
    `sample_rows`: sample, its steps int32 [N] and guidance float32 [N] one a picture.
    `sample_png`: the same, of up to four channels -> png_bytes string [N].
    `config_rows`: rows int32 [N] -> the JSON string, [N].

    The directory appears whole or not at all; an older export is replaced. Its file
    SHA256SUMS has the checksums of all others.

    Args:
      denoiser: the model.
      directory: where it goes; must be new, empty, or an older export.
      record: the run's flagfile, kept in the JSON string.
      sampling: what is decided once for all requests: thresholding, guidance
        interval, variance.
      samplers: names of `SAMPLERS`; each costs some graph, the weights are stored once.
      lineage: how the model was derived, base first; empty for a plain run.
      class_names: one for each label, kept in the JSON string; empty: not known.
      sealed: what its weights mean, see `describe`; None: not known.
      served: for TensorFlow Serving: with these signatures, and with requests that it
        makes when it loads the model.

    Raises:
      InputError: the directory holds something else, or no such sampler.
    """
    directory, sampling = check_directory(directory), sampling or SamplingConfig()
    scale = denoiser.schedule.noise_scale
    opened = open_samplers(samplers, sampling.variance, scale)
    module, signatures = build_module(
        denoiser, record, sampling, opened, lineage, class_names, sealed, served
    )
    signatures["serving_default"] = signatures["sample"]
    with appearing_directory(directory) as new, plainly_named(new) as plain:
        tf.saved_model.save(module, str(plain), signatures, _OPTIONS)
        if served:
            write_warm_up(plain, signatures, sampling.sample_guidance)
        write_sums(new)


def check_directory(directory: str | Path) -> Path:
    """The directory of an export, before the work: new, empty, or an older export.

    Raises:
      SettingError: it holds something else, or nothing can be written there.
    """
    found = open_place("export_dir", directory)
    recover(found)
    if not found.exists() or not any(found.iterdir()):
        return found
    if other := _find_other(found):
        raise SettingError(
            "export_dir",
            directory,
            f"holds {other}, which is no part of an export of pdm_tf; choose a new or "
            "empty directory",
        )
    return found


def _find_other(directory: Path) -> str:
    """The name of something in a directory that would be lost with it; mostly none."""
    listed = list_names(directory)
    if not listed and not _is_ours(directory / "saved_model.pb"):
        return next(path.name for path in sorted(directory.iterdir()))
    known = {SUMS, *_PARTS, *listed}
    for path in sorted(directory.rglob("*")):
        name = str(path.relative_to(directory))
        if name not in known and not path.is_dir() and not path.name.startswith("."):
            return name
    return ""


def _is_ours(file: Path) -> bool:
    """Whether a graph has the signatures of ours, as version 0.1 wrote it."""
    try:
        content = read_regular(file, 2**31 - 1)
    except OSError:
        return False
    return all(name in content for name in (b"denoise", b"sample_at", b"timesteps"))
