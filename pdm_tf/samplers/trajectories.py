"""Everything that a network sees on its way to pictures: calibration, distillation."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from pdm_tf.denoisers.denoiser import Carry, Denoiser, Prediction, Wrapper
from pdm_tf.denoisers.network import NetworkDenoiser
from pdm_tf.diffusion import Grid, NoiseLevel
from pdm_tf.networks.transforms import LayerTransform
from pdm_tf.samplers.noise import NoiseSource, Seeds
from pdm_tf.samplers.sampler import Sampler, sample


class Trajectory(NamedTuple):
    """The evaluations of the innermost denoisers, in order, a row for each picture.

    Under guidance an evaluation has two rows for each picture: the conditional ones
    come first, then those of the null label.
    """

    evaluation: np.ndarray  # int32 [R]: 0, 1, … in the order of calls
    network: np.ndarray  # int32 [R]: which of the innermost, as `map_innermost` goes
    z: np.ndarray  # float32 [R, H, W, C]
    t: np.ndarray  # int32 [R]
    labels: np.ndarray  # int32 [R]; num_classes where there was none
    x: np.ndarray  # float32 [R, H, W, C]: the innermost estimate
    features: dict[str, np.ndarray]  # [R, …]: inputs of the layers tapped, by path


class _Recorder:
    """Arrays of one recording, call by call."""

    def __init__(self) -> None:
        self.rows: dict[str, list[np.ndarray]] = defaultdict(list)
        self.networks = 0

    def through(self, name: str, x: tf.Tensor) -> tf.Tensor:
        """x, once it is kept: in the flow of data, so that rows are in order."""

        def keep(x: np.ndarray) -> np.ndarray:
            self.rows[name].append(np.array(x))
            return x

        return tf.ensure_shape(tf.numpy_function(keep, [x], x.dtype), x.shape)

    def joined(self, name: str) -> np.ndarray:
        return np.concatenate(self.rows[name])


class _Tap(LayerTransform):
    """Keeps what a layer reads."""

    def __init__(self, recorder: _Recorder, path: str) -> None:
        self._recorder, self._path = recorder, path

    def inputs(self, x: tf.Tensor, t: tf.Tensor) -> tf.Tensor:
        return self._recorder.through(f"features/{self._path}", x)


class _Recorded(Wrapper):
    """An innermost denoiser whose calls are kept."""

    def __init__(self, denoise: Denoiser, recorder: _Recorder) -> None:
        super().__init__(denoise)
        self._recorder, self._number = recorder, recorder.networks
        recorder.networks += 1

    def predict(
        self, z: tf.Tensor, level: NoiseLevel, carry: Carry
    ) -> tuple[Prediction, Carry]:
        keep, count = self._recorder.through, tf.shape(z)[:1]
        labels = getattr(self.denoise, "labels", None)
        if labels is None:
            labels = tf.fill(count, self.num_classes)
        z = keep("z", z)
        (x, variance), carry = self.denoise.predict(z, level, carry)
        # All of a call is kept before its estimate is given on.
        t, labels = keep("t", tf.broadcast_to(level.t, count)), keep("labels", labels)
        number = keep("network", tf.fill(count, self._number))
        with tf.control_dependencies([t, labels, number]):
            return Prediction(keep("x", x), variance), carry


def record(
    denoise: Denoiser,
    sampler: Sampler,
    grid: Grid,
    seeds: Seeds | NoiseSource,
    taps: Sequence[str] = (),
) -> Trajectory:
    """Samples, and keeps every evaluation of the networks on the way.

    Args:
      denoise: as for `sample`: guided, thresholded, split … as it will be used.
      sampler: how to step.
      grid: the levels to visit.
      seeds: int32 [N], or another source of noise.
      taps: paths of layers whose inputs are kept, such as "down_0_0/conv_in". Needs
        networks inside.

    Returns:
      Arrays in memory: R rows, the number of evaluations times that of pictures, twice
      as many under guidance.
    """
    recorder = _Recorder()
    recorded = denoise.map_innermost(_recording(recorder, taps))
    sample(recorded, sampler, grid, seeds, denoise.image_shape).numpy()
    calls = [len(rows) for rows in recorder.rows["t"]]
    return Trajectory(
        evaluation=np.repeat(np.arange(len(calls), dtype=np.int32), calls),
        network=recorder.joined("network"),
        z=recorder.joined("z"),
        t=recorder.joined("t"),
        labels=recorder.joined("labels"),
        x=recorder.joined("x"),
        features={path: recorder.joined(f"features/{path}") for path in taps},
    )


def _recording(
    recorder: _Recorder, taps: Sequence[str]
) -> Callable[[Denoiser], Denoiser]:
    def change(denoise: Denoiser) -> Denoiser:
        inner: Any = denoise
        if taps:
            if not isinstance(denoise, NetworkDenoiser):
                raise TypeError(f"{type(denoise).__name__} has no layers to tap")
            inner = denoise.with_plan({path: _Tap(recorder, path) for path in taps})
        return _Recorded(inner, recorder)

    return change
