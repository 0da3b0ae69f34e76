"""Weights of other programs -> the directory of a run."""

from collections.abc import Callable, Mapping
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
from pdm_tf.config.converting import ConvertJiTConfig, ConvertPatchDiffusionConfig
from pdm_tf.convert import jit, patch_diffusion
from pdm_tf.convert.torch_file import StoredTensor, TorchFile
from pdm_tf.data.imagenet_names import COUNT, imagenet_names
from pdm_tf.errors import MissingSetting, SettingError
from pdm_tf.networks import JiT, PatchedUNet
from pdm_tf.progress import say
from pdm_tf.storage.arrays import read_arrays, write_arrays
from pdm_tf.storage.locks import locked_place
from pdm_tf.storage.places import open_place
from pdm_tf.storage.reading import read_regular

_BEGIN = 0.1  # of t, from where on the authors guide
_FLOOR = 0.05  # of 1 - t, where the authors divide by it
_NEVER = 1e9  # an SNR that no level has
Converting = ConvertJiTConfig | ConvertPatchDiffusionConfig

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

    def make(weights: Mapping[str, np.ndarray], out: Path) -> tuple[Any, Config]:
        network = JiT(jit.config_of(weights, config.context_start))
        jit.assign(network, weights)
        return network, _jit_settings(config, network.config, str(out))

    return _converted(config, make)


def convert_patch_diffusion(config: ConvertPatchDiffusionConfig) -> str:
    """Makes a run of a checkpoint of the paper's authors' PyTorch code.

    Raises:
      InputError: no such checkpoint, one that is not of such a network, or a place
        that is taken.
    """

    def make(weights: Mapping[str, np.ndarray], out: Path) -> tuple[Any, Config]:
        known = patch_diffusion.config_of(weights, config.image_shape)
        network = PatchedUNet(known)
        patch_diffusion.assign(network, weights)
        return network, _unet_settings(config, known, str(out))

    return _converted(config, make)


def _converted(config: Converting, make: Callable[..., tuple[Any, Config]]) -> str:
    """A run of what `make` makes of the weights and of the place."""
    if not config.checkpoint:
        raise MissingSetting("checkpoint", "name the file")
    out = open_place("out", config.out)
    with locked_place("out", out):
        if (out / RECORD).exists() or (out.exists() and any(_visible(out))):
            raise SettingError("out", out, "is not empty; name another directory")
        names = _class_names(config)
        say(f"reading {config.checkpoint} …")
        network, settings = make(_weights(config), out)
        classes = network.config.num_classes
        if not names and classes == COUNT:
            names = imagenet_names()
        if names and len(names) != classes:
            remedy = f"holds {len(names)} names, the model has {classes}"
            raise SettingError("class_names", config.class_names, remedy)
        say(f"{network.count_params():,} parameters; writing {out} …")
        write_arrays(
            out / WEIGHTS,
            {name: v.numpy() for name, v in named_variables(network).items()},
        )
        write_class_names(out, names)
        write_settings(settings)
    return (
        f"done: {out} is the directory of a run; "
        f"python sample.py --model={out} samples from it"
    )


def _visible(directory: Path) -> list[Path]:
    return [path for path in directory.iterdir() if path.name[:1] != "."]


def _weights(config: Converting) -> Mapping[str, np.ndarray]:
    path = Path(config.checkpoint).expanduser()
    if path.suffix == ".safetensors":
        return read_arrays(path)
    file = TorchFile("checkpoint", path)
    chosen = file.content
    if config.weights:
        if not isinstance(chosen, dict) or config.weights not in chosen:
            held = ", ".join(map(str, chosen))[:120] if isinstance(chosen, dict) else ""
            remedy = f"the checkpoint does not hold it; it holds {held or 'nothing'}"
            raise SettingError("weights", config.weights, remedy)
        chosen = chosen[config.weights]
    if not isinstance(chosen, dict):
        chosen = {}
    return _Lazy(file, {k: v for k, v in chosen.items() if type(v) is StoredTensor})


def _class_names(config: Converting) -> tuple[str, ...]:
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


def _jit_settings(config: ConvertJiTConfig, known: JiTConfig, run_dir: str) -> Config:
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


def _unet_settings(
    config: ConvertPatchDiffusionConfig, known: UNetConfig, run_dir: str
) -> Config:
    """The settings that the authors trained and sample with (Appendix C)."""
    return Config(
        data=DataConfig(dataset="tfds:imagenet2012" if known.num_classes else ""),
        diffusion=DiffusionConfig(beta_end=config.beta_end),
        network=known,
        training=TrainingConfig(
            run_dir=run_dir, snr_low=config.snr_low, snr_high=config.snr_high
        ),
        sampling=SamplingConfig(sample_guidance=config.guidance),
    )
