"""Patched Diffusion Models for TensorFlow 2 and Keras.

Improving Diffusion Model Efficiency Through Patching (Luhman & Luhman, 2022).
Names load on first use, so that scripts answer `--help` without TensorFlow.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "DDIM": "samplers",
    "DDPM": "samplers",
    "DPMSolver": "samplers",
    "FittableModel": "training.keras_model",
    "SampleSheets": "assemble.fitting",
    "fittable": "assemble.fitting",
    "DataConfig": "config",
    "Denoiser": "denoisers",
    "DiffusionConfig": "config",
    "Config": "config",
    "GHVB": "samplers",
    "HeavyBall": "samplers",
    "Heun": "samplers",
    "InputError": "errors",
    "JiT": "networks",
    "JiTConfig": "config",
    "LCM": "samplers",
    "LinearFlow": "diffusion.flow",
    "LinearHeun": "samplers.linear_heun",
    "NetworkDenoiser": "denoisers",
    "NoiseLevel": "diffusion",
    "NoiseSchedule": "diffusion",
    "PLMS": "samplers",
    "PatchedUNet": "networks",
    "Prediction": "denoisers",
    "SamplingConfig": "config",
    "SettingError": "errors",
    "TrainingConfig": "config",
    "UNetConfig": "config",
    "export_saved_model": "export.saved_model",
    "guided": "denoisers",
    "patchify": "networks.patches",
    "restore": "assemble",
    "sample": "samplers",
    "split": "denoisers",
    "thresholded": "denoisers",
    "__version__": "version",
    "train": "assemble",
    "unpatchify": "networks.patches",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'pdm_tf' has no attribute {name!r}")
    value = getattr(import_module(f"pdm_tf.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
