"""Networks (z, t, labels) -> (output, variance): pictures in, pictures out."""

from pdm_tf.networks.jit import JiT
from pdm_tf.networks.unet import PatchedUNet

NETWORKS = {"unet": PatchedUNet}

__all__ = ["NETWORKS", "JiT", "PatchedUNet"]
