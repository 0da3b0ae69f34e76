"""diffusers' UNet2DModel at the same shape: grid of patches, widths, attention."""

import torch
from diffusers import UNet2DModel
from serving import serve


def make_network(config: dict) -> UNet2DModel:
    """The nearest that UNet2DModel's settings come to our network."""
    height, _, colours = config["image_shape"]
    patch = config["patch_size"]
    grid, pixels = height // patch, colours * patch**2
    levels = range(len(config["channel_multipliers"]))
    attended = [grid >> level in config["attention_resolutions"] for level in levels]
    blocks = config["blocks_per_level"]
    return UNet2DModel(
        sample_size=grid,
        in_channels=pixels,
        out_channels=2 * pixels,  # belief and variance
        layers_per_block=blocks if isinstance(blocks, int) else blocks[0],
        block_out_channels=[
            int(m * config["width"]) for m in config["channel_multipliers"]
        ],
        down_block_types=[("DownBlock2D", "AttnDownBlock2D")[a] for a in attended],
        up_block_types=[("UpBlock2D", "AttnUpBlock2D")[a] for a in attended[::-1]],
        attention_head_dim=64,
        num_class_embeds=config["num_classes"] + 1 if config["num_classes"] else None,
        resnet_time_scale_shift="scale_shift",
    )


def make(order: dict):
    """One evaluation, channels-last, without gradients."""
    config = order["network"]
    network = make_network(config).eval().to(memory_format=torch.channels_last)
    height, width, colours = config["image_shape"]
    patch, batch = config["patch_size"], order["batch"]
    z = torch.randn(batch, colours, height, width)
    classes = config["num_classes"]
    labels = torch.arange(batch) % classes if classes else None

    def call():
        with torch.inference_mode():
            grid = torch.nn.functional.pixel_unshuffle(z, patch)
            grid = grid.to(memory_format=torch.channels_last)
            out = network(grid, 500, class_labels=labels).sample
            x, variance = out.chunk(2, dim=1)
            return [
                torch.nn.functional.pixel_shuffle(part, patch).numpy()
                for part in (x, variance)
            ]

    return call


if __name__ == "__main__":
    serve(make)
