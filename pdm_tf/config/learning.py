"""What each step of a training learns from, and how far it goes."""

from dataclasses import dataclass

from pdm_tf.config.options import Decay, Levels, TimestepsBy, option


@dataclass(frozen=True)
class LearningConfig:
    """Which noise levels are learnt from, the learning rate's way, decay of weights."""

    levels: Levels = option(
        "own",
        "Which noise levels are trained: own, all timesteps alike (with "
        "--process=linear the times of JiT), or log_normal, EDM's: ln(noise / signal) "
        "is normal.",
    )
    levels_mean: float = option(
        -1.2, "Mean of ln(noise / signal) with --levels=log_normal.", low=-20, high=20
    )
    levels_std: float = option(
        1.2, "Its standard deviation with --levels=log_normal.", low=0, high=20
    )
    stratified: bool = option(
        True,
        "Spread the levels of a batch evenly, from a common random start, which lowers "
        "the variance of the loss; otherwise each is drawn alone.",
    )
    condition_dropout: float = option(
        0.1,
        "Share of pictures that lose one of several conditions, each by itself; "
        "--label_dropout drops all of them together.",
        low=0,
        high=1,
    )
    timesteps_by: TimestepsBy = option(
        "share",
        "How timesteps are drawn: share, as --levels says, or loss, more where losses "
        "were large (loss-second-moment sampling), weighted so that their mean stays.",
        sealed="run",
    )
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
