"""Layers of the U-Net whose rounding errors change pictures most (docs/litert.md)."""

# What reads and writes pixels, the variance head, and what the finest blocks add up:
# patterns of whole paths, as `transforms.layers_of` gives them.
SENSITIVE_LAYERS = (
    r"patches_in",
    r"patches_out",
    r"variance_\w+",
    r"(down|up)_0_\d+/(skip|conv_out)",
)
