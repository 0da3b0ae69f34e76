"""The same patched U-Net in PyTorch, layer by layer, in its fastest common form.

Written for the race alone: attention is PyTorch's fused one, pictures lie channels-last
in memory. `tests/benchmarks` holds its number of parameters to that of the original.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

HEAD_CHANNELS = 64
EPSILON = 1e-3


def group_norm(channels: int, affine: bool = True) -> nn.GroupNorm:
    """32 groups, or the largest number that divides."""
    groups = max(g for g in range(1, 33) if channels % g == 0)
    return nn.GroupNorm(groups, channels, EPSILON, affine)


class ResidualBlock(nn.Module):
    """Two convolutions, scale and shift from the time, a gate from the class."""

    def __init__(self, c_in: int, c: int, time: int, gate: int, project: bool) -> None:
        super().__init__()
        self.norm_in, self.norm_out = group_norm(c_in), group_norm(c, affine=False)
        self.conv_in = nn.Conv2d(c_in, c, 3, padding=1)
        self.conv_out = nn.Conv2d(c, c, 3, padding=1)
        self.time = nn.Linear(time, 2 * c)
        self.gate = nn.Linear(gate, c) if gate else None
        self.skip = nn.Conv2d(c_in, c, 1) if project else nn.Identity()

    def forward(self, x, time, classes):
        scale, shift = self.time(time)[:, :, None, None].chunk(2, dim=1)
        h = self.conv_in(F.silu(self.norm_in(x)))
        h = self.conv_out(F.silu(self.norm_out(h) * (1 + scale) + shift))
        if self.gate is not None:
            h = h * torch.sigmoid(self.gate(classes) + 2.0)[:, :, None, None]
        return self.skip(x) + h


class Attention(nn.Module):
    """Self-attention over the grid."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.norm, self.heads = group_norm(c), max(c // HEAD_CHANNELS, 1)
        self.qkv, self.out = nn.Linear(c, 3 * c), nn.Linear(c, c)

    def forward(self, x, time, classes):
        b, c, height, width = x.shape
        h = self.norm(x).permute(0, 2, 3, 1).reshape(b, height * width, c)
        h = self.qkv(h).reshape(b, -1, 3, self.heads, c // self.heads)
        q, k, v = h.permute(2, 0, 3, 1, 4)
        h = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, -1, c)
        return x + self.out(h).reshape(b, height, width, c).permute(0, 3, 1, 2)


class Resample(nn.Module):
    """Half or twice the size, with a convolution."""

    def __init__(self, c_in: int, c: int, up: bool) -> None:
        super().__init__()
        self.up = up
        self.conv = nn.Conv2d(c_in, c, 3, stride=1 if up else 2, padding=1)

    def forward(self, x, time, classes):
        return self.conv(F.interpolate(x, scale_factor=2) if self.up else x)


class PatchedUNet(nn.Module):
    """Takes the settings of `pdm_tf.UNetConfig` as a dict."""

    def __init__(self, config: dict) -> None:
        super().__init__()
        height, width, self.colours = config["image_shape"]
        self.patch, self.width = config["patch_size"], config["width"]
        channels = [int(m * self.width) for m in config["channel_multipliers"]]
        blocks = config["blocks_per_level"]
        blocks = [blocks] if isinstance(blocks, int) else list(blocks)
        blocks = blocks * len(channels) if len(blocks) == 1 else blocks
        self.time_width, classes = channels[-1], config["num_classes"]
        self.gate_width = self.width if classes and config["class_gate"] else 0
        self.attended = set(config["attention_resolutions"])
        self.grid = height // self.patch
        pixels = self.colours * self.patch**2
        self.time_1 = nn.Linear(self.width, 4 * self.width)
        self.time_2 = nn.Linear(4 * self.width, self.time_width)
        width_of_class = self.gate_width or self.time_width
        self.classes = nn.Embedding(classes + 1, width_of_class) if classes else None
        self.patches_in = nn.Conv2d(pixels, self.width, 3, padding=1)
        place = torch.randn(1, self.width, self.grid, width // self.patch)
        self.register_buffer("place", place)  # only its cost matters here
        skips = self._make_encoder(channels, blocks)
        self._make_decoder(channels, blocks, skips)
        both = self.width + channels[0]
        self.norm = group_norm(channels[0])
        self.patches_out = nn.Conv2d(channels[0], pixels, 3, padding=1)
        self.variance_time = nn.Linear(self.time_width, both)
        self.variance_in = nn.Conv2d(both, self.width, 3, padding=1)
        self.variance_out = nn.Conv2d(self.width, pixels, 3, padding=1)

    def _block(self, c_in: int, c: int, level: int, project: bool) -> nn.ModuleList:
        sizes = c_in, c, self.time_width, self.gate_width
        layers = [ResidualBlock(*sizes, project)]
        if self.grid >> level in self.attended:
            layers.append(Attention(c))
        return nn.ModuleList(layers)

    def _make_encoder(self, channels: list[int], blocks: list[int]) -> list[int]:
        c, skips, down = self.width, [self.width], []
        for level, next_c in enumerate(channels):
            if level:
                down.append(nn.ModuleList([Resample(c, next_c, up=False)]))
                c = next_c
                skips.append(c)
            for _ in range(blocks[level]):
                down.append(self._block(c, next_c, level, project=c != next_c))
                c = next_c
                skips.append(c)
        self.down = nn.ModuleList(down)
        sizes = c, c, self.time_width, self.gate_width, False
        middle = [ResidualBlock(*sizes), Attention(c), ResidualBlock(*sizes)]
        self.middle = nn.ModuleList(middle)
        return skips

    def _make_decoder(self, channels: list[int], blocks: list[int], skips: list[int]):
        c, up = channels[-1], []
        for level in reversed(range(len(channels))):
            for _ in range(blocks[level] + 1):
                width = channels[level]
                up.append(self._block(c + skips.pop(), width, level, project=True))
                c = width
            if level:
                up[-1].append(Resample(c, channels[level - 1], up=True))
                c = channels[level - 1]
        self.up = nn.ModuleList(up)

    def forward(self, z, t, labels=None):
        half = self.width // 2
        steps = torch.arange(half, device=t.device)
        rates = torch.exp(-math.log(1e4) * steps / max(half - 1, 1))
        angle = t[:, None].float() * rates
        code = torch.cat([angle.sin(), angle.cos()], dim=1)
        time = F.silu(self.time_2(F.silu(self.time_1(code))))
        classes = self.classes(labels) if self.classes is not None else None
        if classes is not None and not self.gate_width:
            time, classes = time + classes, None
        first = self.patches_in(F.pixel_unshuffle(z, self.patch)) + self.place
        h, skips = first, [first]
        for layers in self.down:
            for layer in layers:
                h = layer(h, time, classes)
            skips.append(h)
        for layer in self.middle:
            h = layer(h, time, classes)
        for layers in self.up:
            h = torch.cat([h, skips.pop()], dim=1)
            for layer in layers:
                h = layer(h, time, classes)
        out = F.pixel_shuffle(self.patches_out(F.silu(self.norm(h))), self.patch)
        seen = torch.cat([first, h], dim=1).detach()
        time = self.variance_time(F.silu(time.detach()))[:, :, None, None]
        hidden = F.silu(self.variance_in(seen + time))
        variance = torch.sigmoid(self.variance_out(hidden))
        return out, F.pixel_shuffle(variance, self.patch)
