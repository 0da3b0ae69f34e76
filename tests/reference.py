"""Naive NumPy versions, with loops and in float64, that the fast ones must equal.

The network's reference reads weights by path and follows Appendix C and Table 3 by
itself. The diffusion's is in reference_diffusion.py.
"""

import math
from itertools import product

import numpy as np

# --- weights --------------------------------------------------------------------------


def randomise(network, seed=0):
    """Draws every weight, those that start at zero included; returns the network."""
    rng = np.random.default_rng(seed)
    for v in network.variables:
        draw = rng.normal(size=v.shape)
        if v.path.endswith(("kernel", "embeddings")):
            draw /= math.sqrt(math.prod(v.shape[:-1]))  # keeps magnitudes near 1
        else:
            draw = 0.3 * draw + (1.0 if v.path.endswith("gamma") else 0.0)
        v.assign(draw)
    return network


def weights_of(network):
    """A network's weights in float64, by path below the network's name."""
    return {v.path.split("/", 1)[1]: np.float64(v.numpy()) for v in network.variables}


# --- patches --------------------------------------------------------------------------


def two_step_patches(x, p):
    """The paper's Appendix B: widths into channels, then heights."""
    b, h, w, c = x.shape
    x = x.reshape(b, h, w // p, c * p)
    x = x.transpose(0, 2, 1, 3)
    x = x.reshape(b, w // p, h // p, c * p * p)
    return x.transpose(0, 2, 1, 3)


def two_step_pictures(x, p):
    """Appendix B's way back, with the assignment that its print has lost."""
    b, h, w, c = x.shape
    x = x.transpose(0, 2, 1, 3)
    x = x.reshape(b, w, h * p, c // p)
    x = x.transpose(0, 2, 1, 3)
    return x.reshape(b, h * p, w * p, c // (p * p))


def patches(x, p):
    """Channel (row in patch · P + column in patch) · C + colour of each patch."""
    b, h, w, c = x.shape
    y = np.zeros((b, h // p, w // p, p * p * c))
    for i, j, row, column, colour in product(
        range(h // p), range(w // p), range(p), range(p), range(c)
    ):
        channel = (row * p + column) * c + colour
        y[:, i, j, channel] = x[:, i * p + row, j * p + column, colour]
    return y


def pictures(y, p):
    b, h, w, c = y.shape[0], y.shape[1] * p, y.shape[2] * p, y.shape[3] // p**2
    x = np.zeros((b, h, w, c))
    for i, j, colour in product(range(h), range(w), range(c)):
        channel = (i % p * p + j % p) * c + colour
        x[:, i, j, colour] = y[:, i // p, j // p, channel]
    return x


# --- layers ---------------------------------------------------------------------------


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def silu(x):
    return x * sigmoid(x)


def convolve(x, kernel, bias, stride=1):
    """One pixel at a time; where padding is odd, the larger half is at the end."""
    size, (height, width) = len(kernel), x.shape[1:3]
    rows, columns = math.ceil(height / stride), math.ceil(width / stride)
    top = max((rows - 1) * stride + size - height, 0) // 2
    left = max((columns - 1) * stride + size - width, 0) // 2
    y = np.zeros((len(x), rows, columns, kernel.shape[3]))
    for i, j, a, b in product(range(rows), range(columns), range(size), range(size)):
        r, c = i * stride + a - top, j * stride + b - left
        if 0 <= r < height and 0 <= c < width:
            y[:, i, j] += x[:, r, c] @ kernel[a, b]
    return y + bias


def normalise(x):
    """Group normalisation with the most groups, up to 32, that divide the channels."""
    groups = next(g for g in range(32, 0, -1) if x.shape[3] % g == 0)
    size, y = x.shape[3] // groups, np.zeros_like(x)
    for n, g in product(range(len(x)), range(groups)):
        part = x[n, :, :, g * size : (g + 1) * size]
        scaled = (part - part.mean()) / np.sqrt(part.var() + 1e-3)
        y[n, :, :, g * size : (g + 1) * size] = scaled
    return y


def frequencies(count):
    return [10_000.0 ** (-i / max(count - 1, 1)) for i in range(count)]


def timestep_code(t, width):
    """Sines, then cosines; an odd width ends with a zero."""
    waves = frequencies(width // 2)
    rows = [
        [wave(int(n) * f) for wave in (math.sin, math.cos) for f in waves]
        + [0.0] * (width % 2)
        for n in t
    ]
    return np.array(rows)


def position_code(height, width, channels):
    """Sines of the column, then of the row; 64 units of angle from end to end."""
    half = channels // 2
    code = np.zeros((height, width, channels))
    for i, j in product(range(height), range(width)):
        across = [math.sin(64 / width * j * f) for f in frequencies(half)]
        down = [math.sin(64 / height * i * f) for f in frequencies(channels - half)]
        code[i, j] = across + down
    return code


# --- the network ----------------------------------------------------------------------


class UNet:
    """The forward pass of `PatchedUNet`, from its configuration and weights alone."""

    def __init__(self, config, weights):
        self.config, self.weights, self.used = config, weights, set()

    def get(self, name):
        self.used.add(name)
        return self.weights[name]

    def conv(self, x, name, stride=1):
        return convolve(x, self.get(f"{name}/kernel"), self.get(f"{name}/bias"), stride)

    def dense(self, x, name):
        return x @ self.get(f"{name}/kernel") + self.get(f"{name}/bias")

    def norm(self, x, name):
        return normalise(x) * self.get(f"{name}/gamma") + self.get(f"{name}/beta")

    def residual(self, x, name, time, gate):
        h = self.conv(silu(self.norm(x, f"{name}/norm_in")), f"{name}/conv_in")
        embedded = self.dense(time, f"{name}/time")[:, None, None, :]
        scale, shift = np.split(embedded, 2, axis=-1)
        h = silu(normalise(h) * (1.0 + scale) + shift)
        h = self.conv(h, f"{name}/conv_out")
        if gate is not None:
            opened = sigmoid(self.dense(gate, f"{name}/gate") + 2.0)
            h = h * opened[:, None, None, :]
        projected = name[:2] == "up" or x.shape != h.shape
        return h + (self.conv(x, f"{name}/skip") if projected else x)

    def attention(self, x, name):
        b, height, width, c = x.shape
        heads = max(c // 64, 1)
        tokens = self.norm(x, f"{name}/norm").reshape(b, height * width, c)
        qkv = self.dense(tokens, f"{name}/qkv")
        mixed, d = np.zeros_like(tokens), c // heads
        for n, head in product(range(b), range(heads)):
            mine = slice(head * d, (head + 1) * d)
            q, k, v = (part[:, mine] for part in np.split(qkv[n], 3, axis=-1))
            for i in range(height * width):
                likeness = np.exp(k @ q[i] / math.sqrt(d))
                mixed[n, i, mine] = likeness @ v / likeness.sum()
        return x + self.dense(mixed, f"{name}/out").reshape(x.shape)

    def block(self, x, name, time, gate):
        x = self.residual(x, name, time, gate)
        if x.shape[1] in self.config.attention_resolutions:
            x = self.attention(x, f"{name}_attention")
        return x

    def embed(self, t, labels):
        """The blocks' time embedding, the class's for gates, and the time alone."""
        code = timestep_code(t, self.config.width)
        time = silu(self.dense(silu(self.dense(code, "time_1")), "time_2"))
        if not self.config.num_classes:
            return time, None, time
        classes = self.get("classes/embeddings")[np.array(labels)]
        if self.config.class_gate:
            return time, classes, time
        return time + classes, None, time

    def __call__(self, z, t, labels=None):
        config, p = self.config, self.config.patch_size
        levels, given = len(config.channel_multipliers), config.blocks_per_level
        blocks = given if isinstance(given, tuple) else (given,)
        blocks = blocks * levels if len(blocks) == 1 else blocks
        time, gate, alone = self.embed(t, labels)
        first = self.conv(patches(np.float64(z), p), "patches_in")
        first = first + position_code(*first.shape[1:])
        h, skips = first, [first]
        for level in range(levels):
            if level:
                h = self.conv(h, f"down_{level}_sample/conv", stride=2)
                skips.append(h)
            for i in range(blocks[level]):
                h = self.block(h, f"down_{level}_{i}", time, gate)
                skips.append(h)
        h = self.residual(h, "middle_0", time, gate)
        h = self.attention(h, "middle_attention")
        h = self.residual(h, "middle_1", time, gate)
        for level in reversed(range(levels)):
            for i in range(blocks[level] + 1):
                h = np.concatenate([h, skips.pop()], axis=-1)
                h = self.block(h, f"up_{level}_{i}", time, gate)
            if level:
                h = h.repeat(2, axis=1).repeat(2, axis=2)
                h = self.conv(h, f"up_{level}_sample/conv")
        out = self.conv(silu(self.norm(h, "norm")), "patches_out")
        seen = np.concatenate([first, h], axis=-1)
        seen = seen + self.dense(silu(alone), "variance_time")[:, None, None, :]
        variance = sigmoid(
            self.conv(silu(self.conv(seen, "variance_in")), "variance_out")
        )
        return pictures(out, p), pictures(variance, p)
