"""A diffusion model that learns to restore, all steps at once: IDM (2403.17006).

Of its network a copy is trained end to end to give pictures back of which a tenth of
the numbers was measured; the model itself samples as before.
"""

from typing import Any

import numpy as np

from pdm_tf.config.distillation import IDMConfig as Config
from pdm_tf.data.images import to_float
from pdm_tf.denoisers import Derivation, NetworkDenoiser
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.distillation.spectral import only_network
from pdm_tf.inverse.operators.compressed import Compressed
from pdm_tf.inverse.restorer import Restorer, Restoring, chosen_timesteps
from pdm_tf.networks.transforms import constant_plan
from pdm_tf.objectives.restoration import Restoration

__all__ = ["KIND", "PAPER", "Config", "derive"]

KIND = "distilled"
PAPER = "Invertible Diffusion Models for Compressed Sensing, Chen et al., 2403.17006"
REPORTED = (
    "2.64 dB above earlier networks; up to 93.8 % less memory in training than the "
    "same steps without invertible blocks"
)
NOT_REPRODUCED = (
    "Stable Diffusion as the base, blocks inside of the U-Net that are reversible too, "
    "measurements brought to every scale of it; natural pictures of the usual tests"
)


def derive(base: Denoiser, config: Config, context: Any) -> Derivation:
    """The base, with a restorer that begins as its network.

    Args:
      base: one patched U-Net.
      config: settings of the method.
      context: settings of the base's run, and its pictures.

    Raises:
      InputError: a base of another kind.
    """
    denoise = own_network(only_network(base), context.restoring)
    operator = Compressed(base.image_shape, config.ratio, config.operator_seed)
    if context.restoring:
        times = context.facts["timesteps"]
        return Derivation(Restoring(base, Restorer(denoise, operator, times)))
    source = context.open_source()
    count = min(config.calibration_images, len(source))
    pictures, _ = source.read(np.linspace(0, len(source) - 1, count, dtype=int))
    times = chosen_timesteps(denoise, operator, to_float(pictures), config.steps)
    restorer = Restorer(denoise, operator, times)
    objective = Restoration(operator.forward, restorer, restorer.learnt, config.sigma)
    facts = {"timesteps": times}
    return Derivation(Restoring(base, restorer), objective, facts=facts)


def own_network(base: NetworkDenoiser, empty: bool = False) -> NetworkDenoiser:
    """A denoiser of a network like the base's, with its weights unless it is `empty`.

    What a plan does to the base's layers stays as it is and does not learn.
    """
    network = type(base.network)(base.network.config)
    if not empty:
        for own, given in zip(network.variables, base.network.variables, strict=True):
            own.assign(given)
    plan = constant_plan(base.plan)
    given = base.schedule, base.prediction
    return NetworkDenoiser(network, *given, apart=False, plan=plan)
