"""How far each step of a training goes."""

from dataclasses import dataclass

from pdm_tf.config.options import Decay, option


@dataclass(frozen=True)
class LearningConfig:
    """What becomes of the learning rate after the warm-up, and decay of the weights."""

    rate_decay: Decay = option(
        "constant",
        "How the learning rate falls after the warm-up: constant (not at all), cosine "
        "or linear (to --rate_end at the last iteration) or inverse_sqrt (EDM2's, from "
        "--rate_reference on).",
    )
    rate_end: float = option(
        0.0,
        "Share of --learning_rate that cosine and linear end with.",
        low=0,
        high=1,
    )
    rate_reference: int = option(
        0,
        "Steps up to which inverse_sqrt keeps the rate; at four times as many it is "
        "half; 0: a tenth of the iterations.",
        low=0,
    )
    weight_decay: float = option(
        0.0,
        "Share of the kernels that a step at a learning rate of 1 would take away "
        "(AdamW); biases and scales do not decay.",
        low=0,
    )
