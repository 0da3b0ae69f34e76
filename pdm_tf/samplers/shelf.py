"""Samplers by the names that settings give them."""

from collections.abc import Callable, Sequence
from functools import partial

from pdm_tf.config import Spacing, Variance
from pdm_tf.errors import SettingError
from pdm_tf.samplers.ddim import DDIM
from pdm_tf.samplers.ddpm import DDPM
from pdm_tf.samplers.dpm_solver import DPMSolver
from pdm_tf.samplers.heun import Heun
from pdm_tf.samplers.langevin import Langevin
from pdm_tf.samplers.lcm import LCM
from pdm_tf.samplers.linear_heun import LinearHeun
from pdm_tf.samplers.momentum import GHVB, HeavyBall
from pdm_tf.samplers.plms import PLMS
from pdm_tf.samplers.reverse_sde import ReverseSDE
from pdm_tf.samplers.sampler import Sampler

SAMPLERS: dict[str, Callable[[], Sampler]] = {
    "ddpm": DDPM,
    "ddim": DDIM,
    "ddim_trailing": DDIM,
    "heun": Heun,
    "linear_heun": LinearHeun,
    "dpm_solver": DPMSolver,
    "dpm_solver_sde": partial(DPMSolver, sde=True),
    "plms": PLMS,
    "heavy_ball": HeavyBall,
    "ghvb": GHVB,
    "lcm": LCM,
}

# The frameworks that ours is compared with: they need many steps, and no export has
# them.
FRAMEWORKS: dict[str, Callable[[], Sampler]] = {
    "langevin": Langevin,
    "reverse_sde": ReverseSDE,
}

# How each spaces its steps where nothing else is given (docs/samplers.md).
SPACINGS: dict[str, Spacing] = dict.fromkeys((*SAMPLERS, *FRAMEWORKS), "uniform")
# Where steps are few, the last one, to the clean picture, is as long as the others.
SPACINGS |= {"lcm": "trailing_dense", "ddim_trailing": "trailing"}


def open_sampler(
    name: str,
    variance: Variance = "learned",
    setting: str = "sampler",
    noise_scale: float = 1.0,
) -> Sampler:
    """The sampler of a name.

    Args:
      name: a key of `SAMPLERS` or `FRAMEWORKS`.
      variance: of DDPM's steps.
      setting: what an error calls the setting that gave the name.
      noise_scale: of the model's process, which linear_heun steps along.

    Raises:
      SettingError: a name that is not on the shelf.
    """
    known = SAMPLERS | FRAMEWORKS
    if name not in known:
        raise SettingError(setting, name, f"choose from {', '.join(known)}")
    if name == "linear_heun":
        return LinearHeun(noise_scale)
    return DDPM(variance) if name == "ddpm" else known[name]()


def open_samplers(
    names: Sequence[str], variance: Variance, noise_scale: float = 1.0
) -> dict[str, Sampler]:
    """The samplers of these names, each once, in this order.

    Raises:
      SettingError: none, or a name that is not on the shelf.
    """
    if not names:
        remedy = f"is empty; choose from {', '.join(SAMPLERS)}"
        raise SettingError("sampler", None, remedy)
    return {
        name: open_sampler(name, variance, noise_scale=noise_scale) for name in names
    }
