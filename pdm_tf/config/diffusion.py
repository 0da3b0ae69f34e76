"""Settings of the forward process."""

from dataclasses import dataclass

from pdm_tf.config.options import ForwardProcess, Prediction, Weighting, option


@dataclass(frozen=True)
class DiffusionConfig:
    """The forward process (section 2.1) and what is learnt of it."""

    timesteps: int = option(
        1000, "Number of steps T of the forward process.", sealed="run"
    )
    beta_end: float = option(
        0.02,
        "Last beta of the linear schedule (0.025 for 1024-pixel FFHQ).",
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
