"""What networks are made of, in words."""

from pdm_tf.networks import shapes
from pdm_tf.networks.jit import JiT
from pdm_tf.networks.unet import PatchedUNet


def describe(network: JiT | PatchedUNet) -> dict[str, str]:
    """A U-Net level by level, or a transformer's tokens and blocks."""
    if isinstance(network, PatchedUNet):
        return _levels_of(network)
    config = network.config
    grid = f"{network.grid_height}×{network.grid_width}"
    tokens = f"a grid of {grid}, {config.hidden_size} channels"
    if config.context_tokens:
        count, start = config.context_tokens, config.context_start
        tokens += f", and {count} of the class from block {start} on"
    return {"tokens": tokens, "blocks": f"{config.depth}, {config.num_heads} heads"}


def _levels_of(network: PatchedUNet) -> dict[str, str]:
    config = network.config
    height, width = network.grid_height, network.grid_width
    channels, blocks = (
        shapes.channels_of_levels(config),
        shapes.blocks_of_levels(config),
    )
    attending = shapes.attention_levels(config)
    return {
        f"level {level}": f"grid {height >> level}×{width >> level}, {c} channels, "
        f"{count} blocks{', attention' if level in attending else ''}"
        for level, (c, count) in enumerate(zip(channels, blocks, strict=True))
    }
