"""The command lines of `pdm-tf completion`, which have no flags."""

from dataclasses import dataclass


@dataclass(frozen=True)
class BashConfig:
    """For bash: eval "$(pdm-tf completion bash)" in ~/.bashrc."""


@dataclass(frozen=True)
class ZshConfig:
    """For zsh: eval "$(pdm-tf completion zsh)" in ~/.zshrc."""


@dataclass(frozen=True)
class FishConfig:
    """For fish: pdm-tf completion fish | source."""


SHELLS: dict[str, type] = {"bash": BashConfig, "zsh": ZshConfig, "fish": FishConfig}
