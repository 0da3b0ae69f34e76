"""Weights of other programs -> the directory of a run."""

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from pdm_tf.assemble.building import named_variables
from pdm_tf.assemble.class_names import write_class_names
from pdm_tf.assemble.runs import RECORD, WEIGHTS, write_settings
from pdm_tf.config import (
    Config,
    DataConfig,
    DiffusionConfig,
    JiTConfig,
    SamplingConfig,
    TrainingConfig,
    TransformerConfig,
    UNetConfig,
)
from pdm_tf.config.converting import ConvertJiTConfig
from pdm_tf.convert import jit
from pdm_tf.convert.torch_file import StoredTensor, TorchFile
from pdm_tf.errors import MissingSetting, SettingError
from pdm_tf.networks import JiT
from pdm_tf.progress import say
from pdm_tf.storage.arrays import read_arrays, write_arrays
from pdm_tf.storage.locks import locked_place
from pdm_tf.storage.places import open_place
from pdm_tf.storage.reading import read_regular

_BEGIN = 0.1  # of t, from where on the authors guide
_FLOOR = 0.05  # of 1 - t, where the authors divide by it
_NEVER = 1e9  # an SNR that no level has
_BASE = 256  # pixels, at which the noise has standard deviation 1


class _Lazy(Mapping[str, np.ndarray]):
    """Weights that are read when they are asked for, one at a time."""

    def __init__(self, file: TorchFile, stored: Mapping[str, StoredTensor]) -> None:
        self._file, self._stored = file, stored

    def __getitem__(self, name: str) -> np.ndarray:
        return np.asarray(self._file.read(self._stored[name]), np.float32)

    def __iter__(self) -> Any:
        return iter(self._stored)

    def __len__(self) -> int:
        return len(self._stored)


def convert_jit(config: ConvertJiTConfig) -> str:
    """Makes a run of a checkpoint of JiT; returns what to do with it.

    Raises:
      InputError: no such checkpoint, one that is not of a JiT, or a place that is
        taken.
    """
    if not config.checkpoint:
        raise MissingSetting("checkpoint", "name the file")
    out = open_place("out", config.out)
    with locked_place("out", out):
        if (out / RECORD).exists() or (out.exists() and any(_visible(out))):
            raise SettingError("out", out, "is not empty; name another directory")
        names = _class_names(config)
        say(f"reading {config.checkpoint} …")
        weights = _weights(config)
        network = JiT(jit.config_of(weights, config.context_start))
        known = network.config
        if names and len(names) != known.num_classes:
            remedy = f"holds {len(names)} names, the model has {known.num_classes}"
            raise SettingError("class_names", config.class_names, remedy)
        jit.assign(network, weights)
        say(f"{network.count_params():,} parameters; writing {out} …")
        write_arrays(
            out / WEIGHTS,
            {name: v.numpy() for name, v in named_variables(network).items()},
        )
        write_class_names(out, names)
        write_settings(_settings(config, known, str(out)))
    return (
        f"done: {out} is the directory of a run; "
        f"python sample.py --model={out} samples from it"
    )


def _visible(directory: Path) -> list[Path]:
    return [path for path in directory.iterdir() if path.name[:1] != "."]


def _weights(config: ConvertJiTConfig) -> Mapping[str, np.ndarray]:
    path = Path(config.checkpoint).expanduser()
    if path.suffix == ".safetensors":
        return read_arrays(path)
    file = TorchFile("checkpoint", path)
    content = file.content
    if not isinstance(content, dict) or config.weights not in content:
        held = ", ".join(map(str, content))[:120] if isinstance(content, dict) else "-"
        remedy = f"the checkpoint does not hold it; it holds {held or 'nothing'}"
        raise SettingError("weights", config.weights, remedy)
    chosen = content[config.weights]
    if not isinstance(chosen, dict):
        chosen = {}
    return _Lazy(file, {k: v for k, v in chosen.items() if type(v) is StoredTensor})


def _class_names(config: ConvertJiTConfig) -> tuple[str, ...]:
    if not config.class_names:
        return ()
    try:
        text = read_regular(Path(config.class_names).expanduser(), 2**24).decode(
            "utf-8"
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no text in UTF-8"
        raise SettingError("class_names", config.class_names, reason) from None
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _settings(config: ConvertJiTConfig, known: JiTConfig, run_dir: str) -> Config:
    """The settings that the authors trained and sample with."""
    scale = config.noise_scale
    if scale is None:
        scale = known.image_shape[0] / _BASE
    interval = ((_BEGIN / (1 - _BEGIN) / scale) ** 2, _NEVER)
    common = {field.name for field in fields(UNetConfig)} & asdict(known).keys()
    own = {
        field.name: getattr(known, field.name) for field in fields(TransformerConfig)
    }
    network = replace(UNetConfig(), **{name: getattr(known, name) for name in common})
    return Config(
        data=DataConfig(dataset="tfds:imagenet2012"),
        diffusion=DiffusionConfig(
            process="linear", noise_scale=scale, weighting="velocity"
        ),
        network=replace(network, architecture="jit"),
        transformer=TransformerConfig(**own),
        training=TrainingConfig(run_dir=run_dir),
        sampling=SamplingConfig(
            sample_sampler="linear_heun",
            sample_steps=50,
            sample_guidance=config.guidance,
            thresholding="none",
            guidance_interval=interval,
            velocity_floor=_FLOOR,
        ),
    )
