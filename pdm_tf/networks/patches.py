"""Pictures <-> grids of patches (section 3): no pixel is lost or mixed."""

import tensorflow as tf


def patchify(x: tf.Tensor, patch_size: int) -> tf.Tensor:
    """[B, H, W, C] -> [B, H/P, W/P, P·P·C].

    Channels of a patch are ordered (row in patch, column in patch, channel).
    """
    x = tf.convert_to_tensor(x)
    return x if patch_size == 1 else tf.nn.space_to_depth(x, patch_size)


def unpatchify(x: tf.Tensor, patch_size: int) -> tf.Tensor:
    """[B, H/P, W/P, P·P·C] -> [B, H, W, C], the inverse of `patchify`."""
    return x if patch_size == 1 else tf.nn.depth_to_space(x, patch_size)
