"""Networks of mixed precision, as other runtimes take them: computed in float32."""

from dataclasses import replace

from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.network import NetworkDenoiser


def in_float32(denoiser: Denoiser) -> Denoiser:
    """The same model, computed in float32 whatever it was trained in.

    Weights are float32 under every policy: they are copied. What a runtime rounds is
    its own choice then, and is compared with this.
    """
    return denoiser.map_innermost(_network_in_float32)


def _network_in_float32(denoise: Denoiser) -> Denoiser:
    if not isinstance(denoise, NetworkDenoiser):
        return denoise
    network = denoise.network
    if getattr(network, "compute_dtype", "float32") == "float32":
        return denoise
    made = type(network)(replace(network.config, precision="float32"))
    for mine, given in zip(made.variables, network.variables, strict=True):
        mine.assign(given)
    return NetworkDenoiser(
        made,
        denoise.schedule,
        denoise.prediction,
        denoise.labels,
        denoise.apart,
        denoise.plan,
    )
