"""One model for many tasks: recipes of grid, denoiser and sampler.

None of them trains, and each works with any denoiser, guided or split.
"""

from pdm_tf.editing.inpaint import inpaint
from pdm_tf.editing.interpolate import interpolate, slerp
from pdm_tf.editing.sdedit import sdedit
from pdm_tf.editing.super_resolve import super_resolve
from pdm_tf.editing.variations import variations

__all__ = [
    "inpaint",
    "interpolate",
    "sdedit",
    "slerp",
    "super_resolve",
    "variations",
]
