"""How guidance puts two estimates together."""

from dataclasses import dataclass

from pdm_tf.config.options import option


@dataclass(frozen=True)
class GuidingConfig:
    """Guidance beyond its weight; the defaults are classifier-free guidance."""

    guidance_rescale: float = option(
        0.0,
        "Share to which a guided estimate gets back the standard deviation of the "
        "conditional one, against burnt colours (0.7 in arXiv 2305.08891); 0: none.",
        low=0,
        high=1,
        sealed="model",
    )
    guidance_parallel: float = option(
        1.0,
        "Share of the guidance along the conditional estimate that is kept; 0 is "
        "APG's (arXiv 2410.02416), which saturates less; 1: all of it.",
        low=0,
        high=1,
        sealed="model",
    )
    guidance_norm: float = option(
        0.0,
        "Largest norm, over all pixels of a picture in [-1, 1], of the difference that "
        "guidance enlarges (APG's r); 0: no bound.",
        low=0,
        sealed="model",
    )
    guidance_momentum: float = option(
        0.0,
        "Share of the last step's difference that is added to this one's; below 0 as "
        "in APG (-0.5), pushes away from where guidance went before; 0: none.",
        low=-1,
        high=1,
        sealed="model",
    )
    guidance_each: tuple[str, ...] = option(
        (),
        "Guidance weights of conditions by themselves, beside the weight of all of "
        "them, as age=3,classes=2: each is led away from the estimate without it, one "
        "evaluation more; 1 is none.",
        sealed="model",
    )
