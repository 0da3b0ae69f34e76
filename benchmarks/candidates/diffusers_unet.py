"""diffusers' UNet2DModel at the same shape: grid of patches, widths, attention."""

import torch
from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel
from diffusers.models.unets.unet_2d import UNet2DOutput
from pytorch import device_of, lowered
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
        out_channels=2 * pixels,  # estimate and variance
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


class Grid(torch.nn.Module):
    """The network as diffusers' pipeline knows networks: estimate in, estimate out."""

    def __init__(self, network: UNet2DModel, pixels: int) -> None:
        super().__init__()
        self.network, self.config, self.pixels = network, network.config, pixels
        self.dtype, self.device = network.dtype, network.device

    def forward(self, z: torch.Tensor, t, class_labels=None) -> UNet2DOutput:
        z = z.contiguous(memory_format=torch.channels_last)
        out = self.network(z, t, class_labels=class_labels).sample
        return UNet2DOutput(sample=out[:, : self.pixels])


def make_sampling(network: UNet2DModel, order: dict):
    """DDPMPipeline over the grid of patches, with the loop that it comes with."""
    scheduler = DDPMScheduler(prediction_type="sample")
    grid = Grid(network, network.config.in_channels)
    pipeline = DDPMPipeline(unet=grid, scheduler=scheduler)
    pipeline.set_progress_bar_config(disable=True)
    asked = {"num_inference_steps": order["steps"], "output_type": "np"}
    return lambda: pipeline(batch_size=order["batch"], **asked).images


def make_call(network: UNet2DModel, order: dict):
    """One evaluation, channels-last, without gradients."""
    config, batch = order["network"], order["batch"]
    height, width, colours = config["image_shape"]
    patch, classes = config["patch_size"], config["num_classes"]
    z = torch.randn(batch, colours, height, width, device=device_of(order))
    labels = torch.arange(batch, device=z.device) % classes if classes else None

    def call():
        with torch.inference_mode():
            grid = torch.nn.functional.pixel_unshuffle(z, patch)
            grid = grid.to(memory_format=torch.channels_last)
            out = network(grid, 500, class_labels=labels).sample
            x, variance = out.chunk(2, dim=1)
            return [
                torch.nn.functional.pixel_shuffle(part, patch).cpu().numpy()
                for part in (x, variance)
            ]

    return call


def make(order: dict):
    """The work of a case."""
    network = make_network(order["network"]).eval().to(device_of(order))
    network = network.to(memory_format=torch.channels_last)
    work = {"call": make_call, "sample": make_sampling}[order["work"]](network, order)
    return lowered(work, order)


if __name__ == "__main__":
    serve(make)
