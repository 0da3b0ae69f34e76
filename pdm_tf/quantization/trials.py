"""What a model gives with some layers rounded: tried by assignments, in one graph."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from pdm_tf.denoisers.network import NetworkDenoiser
from pdm_tf.networks.transforms import LayerTransform, layers_of
from pdm_tf.quantization.calibration import Rows
from pdm_tf.quantization.deriving import kernel_of
from pdm_tf.quantization.spec import NumberFormat
from pdm_tf.quantization.uniform import grid_of

AT_ONCE = 64  # rows
WINDOW = 11  # pixels of a side that SSIM looks at


class TrialLayer(LayerTransform):
    """A layer whose kernel can be replaced, and what it reads rounded, by assignments.

    As it is made it changes nothing.

    Args:
      kernel: what the layer computes with.
    """

    def __init__(self, kernel: np.ndarray) -> None:
        self._whole = kernel
        self.weights = tf.Variable(kernel)
        self.step, self.zero = tf.Variable(1.0), tf.Variable(0.0)
        self.most = tf.Variable(0.0)  # the largest code of what is read; 0: unrounded

    def kernel(self, w: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.convert_to_tensor(self.weights), w.dtype)

    def inputs(self, x: tf.Tensor, t: tf.Tensor) -> tf.Tensor:
        code = tf.round(tf.cast(x, tf.float32) / self.step) + self.zero
        code = tf.clip_by_value(code, 0.0, self.most)
        made = tf.cast((code - self.zero) * self.step, x.dtype)
        return tf.where(self.most > 0.0, made, x)

    def round_inputs(self, low: float, high: float, bits: int) -> None:
        """From now on what is read lies on the grid of a range."""
        step, zero = grid_of(np.array(low), np.array(high), NumberFormat(bits))
        self.step.assign(step)
        self.zero.assign(np.float32(zero))
        self.most.assign(2.0**bits - 1.0)

    def reset(self) -> None:
        """From now on nothing is changed."""
        self.weights.assign(self._whole)
        self.most.assign(0.0)


class Trials:
    """A network of a model, every layer of which can be rounded for a trial.

    Args:
      denoise: the network's denoiser.
      rows: what it reads.
      drawing: (denoiser in its place) -> a function that draws pictures of the whole
        model, float32 [N, H, W, C], the same seeds each time.
    """

    def __init__(
        self,
        denoise: NetworkDenoiser,
        rows: Rows,
        drawing: Callable[[NetworkDenoiser], Callable[[], np.ndarray]],
    ) -> None:
        network, paths = denoise.network, layers_of(denoise.network)
        self.layers = {path: TrialLayer(kernel_of(denoise, path)) for path in paths}
        tried = denoise.with_plan(self.layers)
        self._compute = tried.compiled(lambda *given: network(*given)[0])
        self._draw, self._rows, self._tried = drawing(tried), rows, tried
        self._output, self._pictures = self._outputs(), self._draw()

    def noise(self) -> float:
        """Power of the output's error over the output's, mean over rows."""
        off = np.square(self._outputs() - self._output).mean(axis=(1, 2, 3))
        return float(np.mean(off / np.square(self._output).mean(axis=(1, 2, 3))))

    def picture_noise(self) -> float:
        """The same of the pictures that the model draws."""
        off = np.square(self._draw() - self._pictures).mean(axis=(1, 2, 3))
        return float(np.mean(off / np.square(self._pictures).mean(axis=(1, 2, 3))))

    def similarity(self) -> float:
        """SSIM (Wang et al. 2004) of the pictures that the model draws, their mean."""
        size = min(WINDOW, *self._pictures.shape[1:3])
        size -= 1 - size % 2
        found = tf.image.ssim(self._draw(), self._pictures, 2.0, filter_size=size)
        return float(tf.reduce_mean(found))

    def reset(self) -> None:
        """From now on no layer is rounded."""
        for layer in self.layers.values():
            layer.reset()

    def _outputs(self) -> np.ndarray:
        given = [self._given(*batch) for batch in self._rows.batches(AT_ONCE)]
        return np.concatenate([np.asarray(self._compute(*inputs)) for inputs in given])

    def _given(self, z: tf.Tensor, t: tf.Tensor, labels: tf.Tensor) -> list[tf.Tensor]:
        """What the network reads of rows."""
        tried = self._tried.conditioned(labels if self._tried.num_classes else None)
        return tried.inputs(z, tried.schedule.level(t))
