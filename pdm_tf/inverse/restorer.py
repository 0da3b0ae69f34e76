"""A network that restores what `compressed` measured, in a few steps learnt as a whole.

Invertible Diffusion Models (arXiv 2403.17006): all steps from measurement to picture
are one network, trained end to end from a diffusion model; they are reversible, so that
its memory does not grow with their number. Ours differs from the paper's thus:

- The state is u = z / sqrt(a) = x + noise, not z, so that a mean of two states is again
  a picture with noise, which the model knows.
- It starts as Hᵀy n/m: of orthonormal random rows that is x and nearly white noise
  of the variance (n/m - 1) mean(x²), while Hᵀy itself is no noisy picture.
- The last step is not coupled: its estimate, moved to what was measured, is the
  picture.
- What was measured reaches the network at its input alone, by one convolution.
"""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import tensorflow as tf

from pdm_tf.denoisers import Denoiser, NetworkDenoiser
from pdm_tf.denoisers.denoiser import Wrapper
from pdm_tf.inverse.operators.compressed import Compressed
from pdm_tf.networks.patches import patchify
from pdm_tf.networks.reversible import couple_all, couple_reversibly
from pdm_tf.networks.transforms import LayerTransform

LAYER = "patches_in"  # the layer that sees what was measured
_PACE = 10.0  # how much faster than weights the few numbers of each step learn
_FIRST_SHARE = -3.0  # v = 0.5 + 0.5 sigmoid(-3) = 0.52, next to the paper's 0.5


class Injected(LayerTransform):
    """Adds a convolution of further pictures to what the first layer gives.

    Args:
      channels: of all further patches together.
      width: of the layer's output.
    """

    def __init__(self, channels: int, width: int) -> None:
        self.weights = tf.Variable(tf.zeros([3, 3, channels, width]))
        self.seen: tf.Tensor | None = None  # patches [B, h, w, channels], while called

    def output(self, y: tf.Tensor, x: tf.Tensor, t: tf.Tensor) -> tf.Tensor:
        if self.seen is None:
            return y
        added = tf.nn.conv2d(self.seen, self.weights, 1, "SAME")
        return y + tf.cast(added, y.dtype)


class Restorer:
    """x of y = H x in T steps, T - 1 of them reversible couplings.

    Step i from u: x = D(z, t_i) with z = scale_i·sqrt(a)·u, then
    F(u) = x + pull_i·Hᵀ(y - H x) + keep_i·(u - x); pull 1 and keep sqrt((1 - a') / a')
    sqrt(a / (1 - a)) is DDIM's step of an estimate that fits the measurement.

    Args:
      denoise: a network of its own, not conditioned, whose weights learn.
      operator: H, with orthonormal rows.
      timesteps: t_i, one a step.
      reversible: undo couplings for gradients rather than keep their insides.
    """

    def __init__(
        self,
        denoise: NetworkDenoiser,
        operator: Compressed,
        timesteps: Sequence[int],
        reversible: bool = True,
    ) -> None:
        self.operator, self.reversible = operator, reversible
        self.levels = [denoise.schedule.level(int(t)) for t in timesteps]
        config = denoise.network.config
        self.patch = config.patch_size
        channels = 2 * config.image_shape[2] * self.patch**2
        self.injected = Injected(channels, config.width)
        self.denoise = denoise.with_plan({LAYER: self.injected})
        steps = len(self.levels)
        self.ratio = operator.count / operator.size
        self.numbers = {
            "scale": tf.Variable(tf.zeros([steps])),
            "pull": tf.Variable(tf.fill([steps], 1 / self.ratio / _PACE)),
            "keep": tf.Variable(tf.zeros([steps])),
            "share": tf.Variable(tf.fill([steps - 1], _FIRST_SHARE / _PACE)),
            "second": tf.Variable(0.0),
        }

    @property
    def steps(self) -> int:
        """T, evaluations of the network."""
        return len(self.levels)

    @property
    def variables(self) -> Mapping[str, tf.Variable]:
        """All that it computes with, by name."""
        return {**self.denoise.variables, **self.numbers}

    @property
    def learnt(self) -> Mapping[str, tf.Variable]:
        """What learns: all but the head of variances, which nothing looks at."""
        return {n: v for n, v in self.variables.items() if ".variance" not in n}

    def __call__(self, y: tf.Tensor) -> tf.Tensor:
        """The picture, float32 [N, H, W, C], of a measurement [N, …]; H x is y."""
        back = self.operator.adjoint(y)
        u = back / self.ratio
        couplings = [partial(self.step, i) for i in range(self.steps - 1)]
        run = couple_reversibly if self.reversible else couple_all
        first, second = run(couplings, self.shares(), (u, u), back)
        u = first + self._number("second", None) * second
        x = self.estimate(self.steps - 1, u, back)
        return x + back - self._measured(x)

    def shares(self) -> tf.Tensor:
        """v of each coupling, in (0.5, 1)."""
        return 0.5 + 0.5 * tf.sigmoid(_PACE * self.numbers["share"])

    def step(self, i: int, u: tf.Tensor, back: tf.Tensor) -> tf.Tensor:
        """F(u) of step i; back is Hᵀ y."""
        x = self.estimate(i, u, back)
        pulled = self._number("pull", i) * (back - self._measured(x))
        return x + pulled + self._number("keep", i) * (u - x)

    def estimate(self, i: int, u: tf.Tensor, back: tf.Tensor) -> tf.Tensor:
        """x of a state u, both [N, H, W, C]."""
        level = self.levels[i]
        scale = level.signal * (1.0 + self._number("scale", i))
        both = tf.concat([self._measured(u), back], -1) * (level.signal / self.ratio)
        self.injected.seen = patchify(both, self.patch)
        try:
            return self.denoise(scale * u, level).x
        finally:
            self.injected.seen = None

    def _measured(self, x: tf.Tensor) -> tf.Tensor:
        """HᵀH x."""
        return self.operator.adjoint(self.operator.forward(x))

    def _number(self, name: str, i: int | None) -> tf.Tensor:
        value = self.numbers[name]
        return _PACE * (value if i is None else value[i])


def chosen_timesteps(
    denoise: NetworkDenoiser, operator: Compressed, x: tf.Tensor, steps: int
) -> list[int]:
    """Timesteps whose noise is what the states of an untrained restorer have.

    Args:
      denoise: the model.
      operator: what measures.
      x: pictures to go by, float32 [N, H, W, C].
      steps: T.
    """
    schedule, found = denoise.schedule, list[int]()
    every = [schedule.level(t) for t in range(schedule.timesteps)]
    levels = np.array([float(level.log_snr) for level in every])
    y = operator.forward(x)
    back = operator.adjoint(y)
    u = before = back * (operator.size / operator.count)
    for i in range(steps):
        log_snr = -np.log(np.mean(np.square(u - x)))
        found.append(int(np.abs(levels - log_snr).argmin()))
        if i < steps - 1:
            made = Restorer(denoise, operator, [*found, 0])
            v = made.shares()[i]
            u, before = (1.0 - v) * made.step(i, u, back) + v * before, u
    return found


class Restoring(Wrapper):
    """A model that samples as it did, and has learnt to restore besides."""

    def __init__(self, denoise: Denoiser, restorer: Restorer) -> None:
        super().__init__(denoise)
        self.restorer = restorer

    @property
    def variables(self) -> Mapping[str, tf.Variable]:
        own = self.restorer.variables.items()
        return {**self.denoise.variables, **{f"restorer.{n}": v for n, v in own}}

    def with_constant_weights(self) -> Denoiser:  # type: ignore[override]
        """The model that samples: of a measurement a served graph knows nothing."""
        return self.denoise.with_constant_weights()


def restorer_of(denoise: Denoiser) -> Restorer | None:
    """The restorer inside a composition, if there is one."""
    found: Denoiser | None = denoise
    while found is not None:
        if isinstance(found, Restoring):
            return found.restorer
        found = getattr(found, "denoise", None)
    return None
