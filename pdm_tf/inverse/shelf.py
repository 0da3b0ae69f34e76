"""Solvers by their names; what each one costs."""

from types import ModuleType
from typing import Any

from pdm_tf.denoisers import Denoiser
from pdm_tf.diffusion import Grid
from pdm_tf.inverse import ddnm, dps, idm, ilvr, pigdm, red_diff, repaint, tiramisu
from pdm_tf.samplers import evaluations, open_sampler

SOLVERS: dict[str, ModuleType] = {
    "red_diff": red_diff,
    "dps": dps,
    "pigdm": pigdm,
    "ddnm": ddnm,
    "repaint": repaint,
    "ilvr": ilvr,
    "idm": idm,
    "tiramisu": tiramisu,
}


def evaluations_of(name: str, config: Any, grid: Grid, denoise: Denoiser) -> int:
    """How often a solver evaluates the denoiser on a grid."""
    if name == "idm":
        return idm.known(denoise).steps
    if name in ("repaint", "tiramisu"):
        grid = repaint.resampled_grid(grid, config.resamplings, config.jump)
    each = (
        evaluations(open_sampler(config.sampler)) if hasattr(config, "sampler") else 1
    )
    last = int(grid.size) - 1
    return each * last + 1
