"""What a person sees of a training: a bar with time left, curves, grids of samples."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from pdm_tf.data.images import contact_sheet, save_png
from pdm_tf.training.metrics import Metrics

_CURVES = {"vlb": "vlb_bits_per_dim"}  # terms whose curves have another name


class Reporter:
    """Writes the progress bar, TensorBoard's curves and grids of samples.

    Args:
      directory: the run's directory.
      iterations: steps of the whole training.
      done: steps already done.
      batch_size: pictures a step.
      learning_rate: finished steps -> rate.
      draw: returns a grid's pictures, uint8 [N, H, W, C].
    """

    def __init__(
        self,
        directory: Path,
        iterations: int,
        done: int,
        batch_size: int,
        learning_rate: Callable[[tf.Tensor], tf.Tensor],
        draw: Callable[[], np.ndarray],
    ) -> None:
        self._directory, self._batch_size = directory, batch_size
        self._learning_rate, self._draw = learning_rate, draw
        self._curves = tf.summary.create_file_writer(str(directory / "logs"))
        self._bar = tqdm(
            total=iterations,
            initial=done,
            unit="step",
            desc="training",
            dynamic_ncols=True,
            mininterval=1.0 if sys.stderr.isatty() else 10.0,
        )
        self._since, self._pictures = time.monotonic(), 0

    def advance(self, metrics: Metrics) -> None:
        """Moves the bar by the steps of one call."""
        steps = int(metrics.steps)
        self._pictures += steps * self._batch_size
        rate = self._pictures / max(time.monotonic() - self._since, 1e-9)
        loss = float(next(iter(metrics.terms.values())) / metrics.steps)
        self._bar.set_postfix_str(f"loss {loss:.4f}, {rate:.0f} images/s", False)
        self._bar.update(steps)

    def log(self, step: int, metrics: Metrics) -> None:
        """Writes the curves at a step, from sums since the last record."""
        with _warning_of_a_full_disk("curves"):
            self._log(step, metrics)

    def _log(self, step: int, metrics: Metrics) -> None:
        steps = float(metrics.steps)
        seconds = max(time.monotonic() - self._since, 1e-9)
        scalars = {
            **{
                f"loss/{_CURVES.get(name, name)}": float(term) / steps
                for name, term in metrics.terms.items()
            },
            "gradient_norm": float(metrics.gradient_norm) / steps,
            "learning_rate": float(self._learning_rate(tf.constant(step - 1))),
            "images_per_second": self._pictures / seconds,
        }
        counts = np.maximum(metrics.bucket_count.numpy(), 1.0)
        for i, loss in enumerate(metrics.bucket_loss.numpy() / counts):
            name = f"{i + 1}_of_{len(counts)}_falling_snr"
            scalars[f"loss_of_snr_quartile/{name}"] = float(loss)
        with self._curves.as_default(step=step):
            for name, value in scalars.items():
                tf.summary.scalar(name, value)
        self._curves.flush()
        self._since, self._pictures = time.monotonic(), 0

    def show_samples(self, step: int) -> None:
        """Draws a grid of fixed seeds with the averaged weights."""
        before = time.monotonic()
        with _warning_of_a_full_disk("samples"):
            self._show_samples(step)
        self._since += time.monotonic() - before  # drawing is not training

    def _show_samples(self, step: int) -> None:
        sheet = contact_sheet(self._draw())
        path = self._directory / "samples" / f"step_{step:06d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        save_png(path, sheet)
        with self._curves.as_default(step=step):
            tf.summary.image("samples", sheet[None])
        self._curves.flush()

    def close(self) -> None:
        """Ends the bar and the curves."""
        self._bar.close()
        with _warning_of_a_full_disk("curves"):
            self._curves.close()


class NullReporter:
    """For the processes beside which another one reports."""

    def advance(self, metrics: Metrics) -> None: ...

    def log(self, step: int, metrics: Metrics) -> None: ...

    def show_samples(self, step: int) -> None: ...

    def close(self) -> None: ...


@contextlib.contextmanager
def _warning_of_a_full_disk(what: str) -> Iterator[None]:
    """A full disk costs pictures and curves, not the training."""
    try:
        yield
    except (OSError, tf.errors.UnknownError, tf.errors.ResourceExhaustedError) as error:
        print(f"\nwarning: {what} not written: {error}", file=sys.stderr)
