"""The weights of a model for other programs: safetensors, or what Keras reads."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pdm_tf.assemble.models import OpenedModel, open_model
from pdm_tf.config.converting import ConvertKerasConfig, ConvertSafetensorsConfig
from pdm_tf.convert import jit, patch_diffusion
from pdm_tf.convert.assigning import paths_of
from pdm_tf.denoisers import NetworkDenoiser
from pdm_tf.errors import MissingSetting, SettingError
from pdm_tf.networks import JiT
from pdm_tf.progress import say
from pdm_tf.storage.arrays import write_arrays
from pdm_tf.storage.files import appearing, write_json
from pdm_tf.storage.locks import locked_place
from pdm_tf.storage.places import open_place
from pdm_tf.version import __version__

WEIGHTS, KERAS, CONFIG = "model.safetensors", "model.weights.h5", "config.json"
WHOLE = "model.keras"


def write_safetensors(config: ConvertSafetensorsConfig) -> str:
    """Writes model.safetensors and config.json; returns what lies there.

    Raises:
      InputError: no such model, a place that is taken, or authors' names for what has
        none.
    """
    out = _new(config.model, config.out)
    with locked_place("out", out):
        opened = open_model(config.model)
        held = _held(opened, config.names)
        say(f"{len(held):,} arrays; writing {out} …")
        write_arrays(out / WEIGHTS, held, {"format": "pt"})
        write_json(out / CONFIG, _described(opened) | {"names": config.names})
    return f"done: {out / WEIGHTS} with {CONFIG} beside it"


def write_keras(config: ConvertKerasConfig) -> str:
    """Writes model.weights.h5, model.keras and config.json; returns what lies there.

    Raises:
      InputError: no such model, a place that is taken, or a model of more than the
        network.
    """
    out = _new(config.model, config.out)
    with locked_place("out", out):
        opened = open_model(config.model)
        network = _network_of(opened, "model", config.model)
        with appearing(out / KERAS) as new:
            named = new.with_name(f"{new.name}.weights.h5")  # as Keras insists
            network.save_weights(named)
            named.replace(new)
        with appearing(out / WHOLE) as new:
            named = new.with_name(f"{new.name}.keras")
            network.save(named)
            named.replace(new)
        write_json(out / CONFIG, _described(opened))
    return f"done: {out / KERAS} with {WHOLE} and {CONFIG} beside it"


def _new(model: str, out: str) -> Path:
    if not model:
        raise MissingSetting("model", "name the directory of a run")
    place = open_place("out", out)
    if place.exists() and any(file.name[:1] != "." for file in place.iterdir()):
        raise SettingError("out", place, "is not empty; name another directory")
    return place


def _network_of(opened: OpenedModel, setting: str, value: str) -> Any:
    """The network of a model that is nothing else."""
    denoiser = opened.denoiser
    if not isinstance(denoiser, NetworkDenoiser) or denoiser.plan:
        raise SettingError(
            setting,
            value,
            f"{opened.path} is more than one network; safetensors with names=own has "
            "all of it",
        )
    return denoiser.network


def _held(opened: OpenedModel, names: str) -> Mapping[str, np.ndarray]:
    if names == "authors":
        return _by_authors(_network_of(opened, "names", names))
    return {name: v.numpy() for name, v in opened.denoiser.variables.items()}


def _by_authors(network: Any) -> Mapping[str, np.ndarray]:
    """A network's weights as its authors' code names and stores them."""
    if isinstance(network, JiT):
        names, patch = jit.names_of(network), network.config.patch_size
        return {
            names[path]: jit.as_theirs(path, v.numpy(), patch)
            for path, v in paths_of(network).items()
        } | {jit.PREFIX + jit.FIXED: network.position[None]}
    named = patch_diffusion.names_of(network.config)
    return {
        patch_diffusion.name_of(path, named): patch_diffusion.as_theirs(path, v.numpy())
        for path, v in paths_of(network).items()
    }


def _described(opened: OpenedModel) -> dict[str, Any]:
    """What the weights mean, as JSON."""
    return {
        "format": 1,
        "pdm_tf": __version__,
        "network": opened.settings.network.architecture,
        "settings": {
            room.name: dataclasses.asdict(getattr(opened.settings, room.name))
            for room in dataclasses.fields(opened.settings)
            if room.name in ("diffusion", "network", "transformer", "sampling")
        },
        "sealed": opened.sealed,
        "lineage": list(opened.lineage),
        "class_names": list(opened.class_names),
        "digest": opened.digest,
    }
