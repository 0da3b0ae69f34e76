"""One model for many tasks: recipes of grid, denoiser and sampler, one file each.

None of them trains, and each works with any denoiser, guided or split. Runs as
`python -m pdm_tf.editing`, whose help loads no TensorFlow; hence only settings are
imported.
"""

from pdm_tf.config import (
    AnomalyConfig,
    ComposeConfig,
    CycleConfig,
    DirectionsConfig,
    InpaintConfig,
    InterpolateConfig,
    SDEditConfig,
    SuperResolveConfig,
    VariationsConfig,
)

# Task -> its own settings, beside EditingConfig.
TASKS: dict[str, type] = {
    "inpaint": InpaintConfig,
    "compose": ComposeConfig,
    "sdedit": SDEditConfig,
    "super_resolve": SuperResolveConfig,
    "interpolate": InterpolateConfig,
    "variations": VariationsConfig,
    "cycle": CycleConfig,
    "directions": DirectionsConfig,
    "anomaly": AnomalyConfig,
}
