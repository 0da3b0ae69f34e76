"""Small trained models that ship with the package: `pretrained:NAME` names one.

A model is a folder: config.flags, weights.safetensors (averaged, float16), a card and
pictures of it. experiments/make_pretrained.py makes them.
"""

from pathlib import Path

from pdm_tf.errors import SettingError

PREFIX = "pretrained:"
_HERE = Path(__file__).resolve().parent


def is_pretrained(path: str | Path) -> bool:
    """Whether a path names a model of the package."""
    return str(path).startswith(PREFIX)


def names() -> list[str]:
    """Names of the models that came along."""
    return sorted(file.parent.name for file in _HERE.glob("*/weights.safetensors"))


def locate(path: str | Path, setting: str = "model") -> Path:
    """The folder of `pretrained:NAME`.

    Raises:
      SettingError: no such model came along.
    """
    name = str(path).removeprefix(PREFIX)
    if name not in names():
        known = ", ".join(f"{PREFIX}{known}" for known in names()) or "there is none"
        raise SettingError(setting, path, f"no such model; choose from {known}")
    return _HERE / name
