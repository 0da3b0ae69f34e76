"""The quantised models that are compared: methods with their bits."""

from collections.abc import Mapping
from typing import Any, NamedTuple

STEPS = 50  # of DDIM, unless a bar says otherwise


class Variant(NamedTuple):
    """A quantised model that is measured.

    Attributes:
      name: of its row.
      method: that makes it.
      settings: of the method.
      distance: whether a Fréchet distance is wanted, which takes many pictures.
      steps: of DDIM for these pictures.
    """

    name: str
    method: str
    settings: Mapping[str, Any]
    distance: bool = False
    steps: int = STEPS


W8A8 = {"weight_bits": 8, "activation_bits": 8}
W5A8 = {"weight_bits": 5, "activation_bits": 8}
W4A8 = {"weight_bits": 4, "activation_bits": 8}
W4A4 = {"weight_bits": 4, "activation_bits": 4}

SEEDED = ("efficientdm W4A4, seed 1", "efficientdm W4A4, seed 2")
EVEN, BLOCKS = {"allotted": False}, {"layer_weight": 0.0}


def one_timestep(share: float) -> dict[str, Any]:
    """Calibration at one share of T alone."""
    return {"ndtc_mean": share, "ndtc_deviation": 0.0}


def grouped(groups: int, **settings: Any) -> dict[str, Any]:
    """DGQ at 8-bit weights and 6-bit activations."""
    return {"weight_bits": 8, "activation_bits": 6, "groups": groups, **settings}


VARIANTS = (
    Variant("min_max W8A8", "min_max", W8A8, distance=True),
    Variant("min_max W4A8", "min_max", W4A8, distance=True),
    Variant("min_max W4A4", "min_max", W4A4),
    Variant("ptq4dm W8A8", "ptq4dm", W8A8, distance=True),
    Variant("ptq4dm W8A8, calibrated at t = 0", "ptq4dm", W8A8 | one_timestep(0.0)),
    Variant("ptq4dm W8A8, calibrated on noise", "ptq4dm", W8A8 | one_timestep(1.0)),
    Variant("low_bit_float W8A8", "low_bit_float", W8A8, distance=True),
    Variant("low_bit_float W4A8", "low_bit_float", W4A8),
    Variant("dgq W8A6, 8 groups", "dgq", grouped(8)),
    Variant("dgq W8A6, per tensor", "dgq", grouped(1)),
    Variant(
        "dgq W8A6, 8 groups, uniform softmax", "dgq", grouped(8, log_softmax=False)
    ),
    Variant("svdquant W4A4", "svdquant", W4A4),
    Variant("svdquant W4A4, smoothing alone", "svdquant", W4A4 | {"rank": 0}),
    Variant(
        "svdquant W4A4, neither", "svdquant", W4A4 | {"rank": 0, "smoothing": False}
    ),
    Variant("svdquant W4A8", "svdquant", W4A8),
    Variant("mixdq W5A8", "mixdq", W5A8),
    Variant("mixdq W8A8", "mixdq", W8A8, distance=True, steps=20),
    Variant("mixdq W8A8, 50 steps", "mixdq", W8A8, distance=True),
    Variant("mixdq W5A8, 5 bits everywhere", "mixdq", W5A8 | {"weight_choices": (5,)}),
    Variant("q_diffusion W8A8", "q_diffusion", W8A8, distance=True),
    Variant("q_diffusion W4A8", "q_diffusion", W4A8, distance=True),
    Variant("efficientdm W4A4", "efficientdm", W4A4, distance=True, steps=20),
    *(
        Variant(name, "efficientdm", W4A4 | {"seed": seed}, distance=True, steps=20)
        for seed, name in enumerate(SEEDED, 1)
    ),
    Variant("tfmq_dm W4A8", "tfmq_dm", W4A8),
    Variant("temporal_cache W4A8", "temporal_cache", W4A8),
    Variant("eda_dm W4A8", "eda_dm", W4A8),
    Variant("eda_dm W4A8, even steps", "eda_dm", W4A8 | EVEN),
    Variant("eda_dm W4A8, blocks alone", "eda_dm", W4A8 | BLOCKS),
    Variant("eda_dm W4A8, neither", "eda_dm", W4A8 | EVEN | BLOCKS),
)

# Of models whose pictures take long: likeness alone, and what learns least.
LEARN_LEAST = ("min_max", "ptq4dm", "low_bit_float", "svdquant", "mixdq", "tfmq_dm")
ELSEWHERE = (
    *(Variant(f"{method} W8A8", method, W8A8) for method in LEARN_LEAST),
    *(Variant(f"{method} W4A8", method, W4A8) for method in LEARN_LEAST),
    Variant("dgq W8A8, 8 groups", "dgq", W8A8 | {"groups": 8}),
    Variant("svdquant W4A4", "svdquant", W4A4),
)


def variants_of(data: str) -> tuple[Variant, ...]:
    """The models that are made of a base of that data."""
    return VARIANTS if data == "mnist" else ELSEWHERE
