"""Averages of the weights beside the one that samples come from."""

from dataclasses import dataclass

from pdm_tf.config.options import option

LONGEST = 0.28  # sigma_rel; 1 / sqrt(12) is that of the plain mean of all weights


@dataclass(frozen=True)
class AveragingConfig:
    """Further averages of the weights, and snapshots to make others of afterwards."""

    ema_decays: tuple[float, ...] = option(
        (),
        "Further decays; each has an average of its own beside that of --ema_decay, "
        "which pdm-tf ema --decay makes a model of.",
        low=0,
    )
    ema_lengths: tuple[float, ...] = option(
        (),
        "Lengths, as shares of the training (EDM2's sigma_rel), of averages of which "
        "pdm-tf ema --length makes one of any length afterwards; EDM2 has 0.05,0.1. "
        "Empty: none.",
        low=0,
    )
    snapshot_every: int = option(
        0,
        "Steps between two snapshots of the averages by length, each as large as the "
        "weights; 0: a 30th of the iterations.",
        low=0,
    )


@dataclass(frozen=True)
class EmaConfig:
    """The command line of `pdm-tf ema`."""

    run_dir: str = option("", "Directory of a run that was trained with --ema_lengths.")
    out: str = option(
        "",
        "Directory of the model that is made, used like a run's.",
        output="directory",
    )
    length: float = option(
        0.0,
        "Length of the average, as a share of the training (sigma_rel); 0: --decay.",
        low=0,
        high=LONGEST,
    )
    decay: float = option(
        0.0, "One of the run's --ema_decays, instead of a length.", low=0, high=1
    )
    at_step: int = option(
        0, "Step of a snapshot that the average ends with; 0: the last.", low=0
    )
