"""Settings of the forward process."""

from dataclasses import dataclass

from pdm_tf.config.options import (
    ForwardProcess,
    Prediction,
    Schedule,
    Weighting,
    option,
)


@dataclass(frozen=True)
class DiffusionConfig:
    """The forward process (section 2.1) and what is learnt of it."""

    timesteps: int = option(
        1000, "Number of steps T of the forward process.", sealed="run"
    )
    schedule: Schedule = option(
        "linear",
        "How the noise grows under --process=vp: linear, the paper's, in betas; cosine "
        "(improved DDPM) or sigmoid, which leave more of the picture in the middle.",
        sealed="run",
    )
    shift_from: int = option(
        0,
        "Height [pixels] of the pictures that the schedule is for; larger ones get "
        "more noise, 2 log(this / height) of log SNR (simple diffusion has 64); 0: as "
        "it is.",
        low=0,
        sealed="run",
    )
    zero_terminal: bool = option(
        False,
        "Rescale the schedule so that the last timestep is noise alone (zero terminal "
        "SNR); for predictions x and v, which the noise does not already tell.",
        sealed="run",
    )
    beta_end: float = option(
        0.02,
        "Last beta of --schedule=linear (0.025 for 1024-pixel FFHQ).",
        low=0,
        high=1,
        sealed="run",
    )
    process: ForwardProcess = option(
        "vp",
        "The forward process: vp, the paper's, preserves variance; linear goes "
        "straight from picture to noise, as in JiT and rectified flow, without betas.",
        sealed="run",
    )
    noise_scale: float = option(
        1.0,
        "Standard deviation of the noise where --process=linear begins; more for "
        "larger pictures.",
        low=0,
        sealed="run",
    )
    prediction: Prediction = option(
        "x",
        "What the network's output means: the picture x, the noise eps, or v.",
        sealed="run",
    )
    weighting: Weighting = option(
        "sqrt_snr",
        "Weight gamma_t of the error in x; sqrt_snr is the paper's, velocity that of "
        "JiT.",
        sealed="run",
    )
