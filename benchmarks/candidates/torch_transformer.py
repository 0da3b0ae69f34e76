"""JiT in PyTorch, layer by layer, in its fastest common form (arXiv 2511.13720).

Written for the race alone: attention is PyTorch's fused one. `tests/benchmarks` holds
its number of parameters to that of ours.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

TIME_CODE = 256


def turned(x, cosines, sines):
    """Rotary positions: two neighbouring channels turn together."""
    across = torch.stack([-x[..., 1::2], x[..., ::2]], dim=-1).flatten(-2)
    return x * cosines + across * sines


class Block(nn.Module):
    """Attention, then SwiGLU, each shifted, scaled and gated by c."""

    def __init__(self, width: int, heads: int, tokens: int) -> None:
        super().__init__()
        self.heads, hidden = heads, int(4 * width * 2 / 3)
        self.modulation = nn.Linear(width, 6 * width)
        self.norm_1, self.norm_2 = (nn.RMSNorm(width, 1e-6) for _ in "12")
        self.query_norm, self.key_norm = (
            nn.RMSNorm(width // heads, 1e-6) for _ in "qk"
        )
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.gated, self.back = nn.Linear(width, 2 * hidden), nn.Linear(hidden, width)
        angle = torch.randn(tokens, width // heads)  # only its cost matters here
        self.register_buffer("cosines", angle.cos())
        self.register_buffer("sines", angle.sin())

    def attend(self, x):
        b, length, width = x.shape
        h = self.qkv(x).reshape(b, length, 3, self.heads, width // self.heads)
        q, k, v = h.permute(2, 0, 3, 1, 4)
        q, k = (
            turned(norm(a), self.cosines, self.sines).to(v.dtype)
            for norm, a in ((self.query_norm, q), (self.key_norm, k))
        )
        h = F.scaled_dot_product_attention(q, k, v)
        return self.out(h.transpose(1, 2).reshape(b, length, width))

    def forward(self, x, c):
        parts = self.modulation(F.silu(c))[:, None].chunk(6, dim=-1)
        shift, scale, gate, shift_2, scale_2, gate_2 = parts
        x = x + gate * self.attend(self.norm_1(x) * (1 + scale) + shift)
        h = self.norm_2(x) * (1 + scale_2) + shift_2
        a, b = self.gated(h).chunk(2, dim=-1)
        return x + gate_2 * self.back(F.silu(a) * b)


class JiT(nn.Module):
    """Takes the settings of a run's network and transformer as dicts."""

    def __init__(self, network: dict, transformer: dict) -> None:
        super().__init__()
        height, width, colours = network["image_shape"]
        self.patch, wide = network["patch_size"], transformer["hidden_size"]
        pixels = colours * self.patch**2
        self.grid = height // self.patch, width // self.patch
        tokens = self.grid[0] * self.grid[1]
        self.ahead, self.start = (
            transformer[name] for name in ("context_tokens", "context_start")
        )
        self.patches_in = nn.Linear(pixels, transformer["bottleneck"], bias=False)
        self.tokens_in = nn.Linear(transformer["bottleneck"], wide)
        self.time_1, self.time_2 = nn.Linear(TIME_CODE, wide), nn.Linear(wide, wide)
        classes = network["num_classes"]
        self.classes = nn.Embedding(classes + 1, wide) if classes else None
        if self.ahead:
            self.context = nn.Parameter(torch.randn(self.ahead, wide) * 0.02)
        self.register_buffer("position", torch.randn(tokens, wide))
        self.blocks = nn.ModuleList(
            Block(
                wide,
                transformer["num_heads"],
                tokens + (self.ahead if i >= self.start else 0),
            )
            for i in range(transformer["depth"])
        )
        self.modulation = nn.Linear(wide, 2 * wide)
        self.norm = nn.RMSNorm(wide, 1e-6)
        self.patches_out = nn.Linear(wide, pixels)

    def _condition(self, t, labels):
        half = TIME_CODE // 2
        rates = torch.exp(-math.log(1e4) * torch.arange(half, device=t.device) / half)
        angle = t[:, None].float() * rates
        code = torch.cat([angle.cos(), angle.sin()], dim=1)
        c = self.time_2(F.silu(self.time_1(code)))
        return c if self.classes is None else c + self.classes(labels)

    def forward(self, z, t, labels=None):
        c = self._condition(t, labels)
        x = F.pixel_unshuffle(z, self.patch).flatten(2).transpose(1, 2)
        x = self.tokens_in(self.patches_in(x)) + self.position
        for index, block in enumerate(self.blocks):
            if self.ahead and index == self.start:
                x = torch.cat([self.context.expand(len(x), -1, -1).to(x), x], dim=1)
            x = block(x, c)
        x = x[:, -len(self.position) :]
        shift, scale = self.modulation(F.silu(c))[:, None].chunk(2, dim=-1)
        x = self.patches_out(self.norm(x) * (1 + scale) + shift)
        x = x.transpose(1, 2).reshape(len(x), -1, *self.grid)
        return F.pixel_shuffle(x, self.patch), torch.ones_like(z)
