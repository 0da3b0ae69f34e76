"""Everything that walks: from noise to pictures, one file a paper."""

from pdm_tf.samplers.ddpm import DDPM
from pdm_tf.samplers.sampler import Sampler, sample

SAMPLERS = {"ddpm": DDPM}

__all__ = ["DDPM", "SAMPLERS", "Sampler", "sample"]
