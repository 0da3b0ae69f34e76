"""Pictures <-> grids of patches (section 3): no pixel is lost or mixed."""

import tensorflow as tf


def patchify(x: tf.Tensor, patch_size: int) -> tf.Tensor:
    """[B, H, W, C] -> [B, H/P, W/P, P·P·C].

    Channels of a patch are ordered (row in patch, column in patch, channel).
    """
    window = [1, patch_size, patch_size, 1]
    return tf.image.extract_patches(x, window, window, [1, 1, 1, 1], "VALID")


def unpatchify(x: tf.Tensor, patch_size: int) -> tf.Tensor:
    """[B, H/P, W/P, P·P·C] -> [B, H, W, C], the inverse of `patchify`."""
    return x if patch_size == 1 else tf.nn.depth_to_space(x, patch_size)
