"""Encoder propagation: the encoder changes slowly, so most steps keep all of it.

Key steps compute encoder and middle; the others only the decoder, with the t of the
moment. An x0 estimate without the encoder hardly looks at z, which is fine while noise
is all that there is and poor at the end: the last steps are key steps too.

The paper also computes the decoders of a key step and of those after it in one batch.
That pays where one picture leaves a device idle; on processors a batch of pictures
does not, and it is left out.
"""

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from pdm_tf.acceleration.cached_network import CachedNetwork
from pdm_tf.acceleration.key_steps import AtTimesteps, KeySteps, at_steps
from pdm_tf.config.acceleration import EncoderPropagationConfig
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.derivation import Derivation
from pdm_tf.diffusion import NoiseLevel, NoiseSchedule
from pdm_tf.errors import SettingError
from pdm_tf.networks.stages import Features
from pdm_tf.samplers.sampler import Denoise, Sampler

PAPER = "Faster Diffusion: Rethinking the Role of UNet Encoder, arXiv 2312.09608"
KIND = "cached"
REPORTED = "41 % less time for Stable Diffusion"
NOT_REPRODUCED = (
    "41 % less time: the encoder of a patched U-Net is 25 to 36 % of its operations; "
    "the gain on GPUs from batching the decoders of several steps; text-to-video"
)
Config = EncoderPropagationConfig


class EncoderPropagated(CachedNetwork):
    """A network whose encoder and middle are kept between key steps.

    Args:
      denoise: the network's denoiser.
      key_steps: which evaluations compute everything.
      live_input: compute the input convolution in every evaluation.

    Raises:
      InputError: no network, see `CachedNetwork`.
    """

    def __init__(
        self, denoise: Denoiser, key_steps: KeySteps, live_input: bool = True
    ) -> None:
        self.live_input = live_input
        super().__init__(denoise, key_steps)

    def full(
        self, z: tf.Tensor, t: tf.Tensor, labels: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor, tuple[tf.Tensor, ...]]:
        network = self.denoise.network
        features = network.encode(z, t, labels)
        output, variance, _ = network.decode(features, t, labels)
        first, *others = features.skips
        kept = (*others, features.bottom)
        return output, variance, kept if self.live_input else (first, *kept)

    def cheap(
        self, z: tf.Tensor, t: tf.Tensor, labels: tf.Tensor | None, features: Any
    ) -> tuple[tf.Tensor, tf.Tensor]:
        network = self.denoise.network
        if self.live_input:
            features = (*network.encode(z, t, labels, depth=1).skips, *features)
        *skips, bottom = features
        kept = Features(tuple(skips), bottom)
        output, variance, _ = network.decode(kept, t, labels)
        return output, variance


@dataclass(frozen=True)
class NoiseInjected:
    """A sampler that adds some of the first noise before each of its steps.

    Decoders that go on from kept features smooth what they draw; the paper (its prior
    noise injection) gives back high frequencies so. The denoiser sees z as it was: the
    paper's batched code, not its serial code, in which it sees the noise.

    Attributes:
      sampler: of order 1, one evaluation at z itself in a step.
      schedule: that of the model.
      strength: share of the first noise that each step adds, for 50 steps.
      steps: of the trajectory; with more of them each adds less.
      below: timestep below which noise is added.
    """

    sampler: Sampler
    schedule: NoiseSchedule
    strength: float = 0.003
    steps: int = 50
    below: int = 500

    @property
    def convergence_order(self) -> int | None:
        return None  # what it adds does not vanish with the steps

    def init(self, z: tf.Tensor) -> tuple[tf.Tensor, Any]:
        return z, self.sampler.init(z)

    def step(
        self,
        denoise: Denoise,
        z: tf.Tensor,
        level: NoiseLevel,
        to: NoiseLevel,
        state: tuple[tf.Tensor, Any],
        noise: tf.Tensor,
    ) -> tuple[tf.Tensor, tuple[tf.Tensor, Any]]:
        first, inner = state
        prediction = denoise(z, level)
        share = self.strength * 50.0 / self.steps
        late = tf.cast(level.log_snr > self._bound, z.dtype)
        moved = z + share * late * first
        z, inner = self.sampler.step(
            lambda *_: prediction, moved, level, to, inner, noise
        )
        return z, (first, inner)

    @property
    def _bound(self) -> float:
        return float(self.schedule.log_snr[self.below])


def key_steps_of(
    config: EncoderPropagationConfig, schedule: NoiseSchedule
) -> AtTimesteps:
    """The key steps that settings describe.

    Raises:
      SettingError: steps that there are not.
    """
    steps = config.steps
    if not 1 <= steps <= schedule.timesteps:
        raise SettingError(
            "steps", steps, f"choose 1 to {schedule.timesteps}, the model's"
        )
    if not 0 <= config.last_keys <= steps:
        raise SettingError("last_keys", config.last_keys, f"choose 0 to {steps}")
    wrong = [key for key in config.keys if not 0 <= key < steps]
    if wrong:
        raise SettingError("keys", wrong[0], f"choose from 0 to {steps - 1}")
    last = range(steps - config.last_keys, steps)
    return at_steps(schedule, steps, (0, *config.keys, *last))


def derive(
    base: Denoiser, config: EncoderPropagationConfig, context: Any = None
) -> Derivation:
    """The base with the encoders of its networks kept between key steps.

    Args:
      base: any composition of denoisers of networks.
      config: the key steps.
      context: nothing is needed.

    Raises:
      InputError: a base whose innermost denoisers are no networks.
      SettingError: settings that do not fit it.
    """
    key_steps = key_steps_of(config, base.schedule)
    return Derivation(
        base.map_innermost(lambda d: EncoderPropagated(d, key_steps, config.live_input))
    )
