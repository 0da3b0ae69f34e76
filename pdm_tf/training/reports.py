"""What a person sees of a training: a bar with time left, curves, grids of samples."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from pdm_tf.config import TrainingConfig
from pdm_tf.data.images import contact_sheet, save_png
from pdm_tf.progress import progress
from pdm_tf.training.expectations import foretell
from pdm_tf.training.metrics import Metrics
from pdm_tf.training.report_writers import Reports

_KNOWN = 15.0  # seconds of training after which its speed is known
_CURVES = {"vlb": "vlb_bits_per_dim"}  # terms whose curves have another name


class Reporter:
    """Writes the progress bar, curves and grids of samples.

    Args:
      training: how it is trained.
      done: steps already done.
      learning_rate: finished steps -> rate.
      draw: returns a grid's pictures, uint8 [N, H, W, C].
      reports: who is shown curves and grids beside the terminal.
    """

    def __init__(
        self,
        training: TrainingConfig,
        done: int,
        learning_rate: Callable[[tf.Tensor], tf.Tensor],
        draw: Callable[[], np.ndarray],
        reports: Reports,
    ) -> None:
        self._training, self._directory = training, Path(training.run_dir)
        self._batch_size, self._step = training.batch_size, done
        self._learning_rate, self._draw = learning_rate, draw
        self._reports = reports
        total = training.iterations
        self._bar = progress(None, "training", "steps", total=total, done=done)
        if self._bar.bar_format:  # of lines in a log
            self._bar.bar_format += "{postfix}"
        self._since, self._pictures = time.monotonic(), 0
        self._timed: tuple[int, float] | None = None  # after the first call
        self._foretold = False

    def advance(self, metrics: Metrics) -> None:
        """Moves the bar by the steps of one call."""
        steps = int(metrics.steps)
        self._pictures += steps * self._batch_size
        rate = self._pictures / max(time.monotonic() - self._since, 1e-9)
        loss = float(next(iter(metrics.terms.values())) / metrics.steps)
        self._bar.set_postfix_str(f"loss {loss:.4f}, {rate:.0f} images/s", False)
        if self._timed is None:
            self._bar.unpause()  # making the graph says nothing of the time left
        self._bar.update(steps)
        self._step += steps
        self._foretell()

    def _foretell(self) -> None:
        """Says once what to expect, as soon as it is known how long a step takes."""
        now = time.monotonic()
        if self._timed is None:
            self._timed = self._step, now
            return
        steps, seconds = self._step - self._timed[0], now - self._timed[1]
        if not self._foretold and seconds >= _KNOWN:
            self._foretold = True
            self._say(foretell(self._training, self._step, seconds / steps))

    def _say(self, line: str) -> None:
        """Writes a line where the bar is drawn."""
        if sys.stderr is not None:
            self._bar.write(line, file=sys.stderr)

    def log(self, step: int, metrics: Metrics) -> None:
        """Writes the curves at a step, from sums since the last record."""
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
        self._reports.scalars(step, scalars)
        self._since, self._pictures = time.monotonic(), 0

    def show_samples(self, step: int, again: bool = True) -> None:
        """Draws a grid of fixed seeds with the averaged weights.

        Args:
          step: steps finished.
          again: draw it even if there is one of this step.
        """
        if not again and self._path(step).exists():
            return
        before = time.monotonic()
        with warning_of_a_full_disk("samples"):
            self._show_samples(step)
        spent = time.monotonic() - before
        self._since += spent  # drawing is not training
        if self._timed:
            self._timed = self._timed[0], self._timed[1] + spent

    def _show_samples(self, step: int) -> None:
        sheet = contact_sheet(self._draw())
        path = self._path(step)
        path.parent.mkdir(parents=True, exist_ok=True)
        save_png(path, sheet)
        self._reports.picture(step, "samples", sheet)

    def _path(self, step: int) -> Path:
        return self._directory / "samples" / f"step_{step:06d}.png"

    def close(self) -> None:
        """Ends the bar and the curves."""
        self._bar.close()
        self._reports.close()


class NullReporter:
    """For the processes beside which another one reports."""

    def advance(self, metrics: Metrics) -> None: ...

    def log(self, step: int, metrics: Metrics) -> None: ...

    def show_samples(self, step: int, again: bool = True) -> None: ...

    def close(self) -> None: ...


@contextlib.contextmanager
def warning_of_a_full_disk(what: str) -> Iterator[None]:
    """A full disk costs pictures and curves, not the training."""
    try:
        yield
    except (OSError, tf.errors.UnknownError, tf.errors.ResourceExhaustedError) as error:
        print(f"\nwarning: {what} not written: {error}", file=sys.stderr)
