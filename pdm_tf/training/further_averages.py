"""All averages of the weights but the first: of other decays, and by length."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import tensorflow as tf

from pdm_tf.config.averaging import AveragingConfig
from pdm_tf.errors import SettingError
from pdm_tf.training.ema import MovingAverage
from pdm_tf.training.power_averages import PowerAverage


class FurtherAverages(tf.Module):
    """Averages beside the one of `ema_decay`, saved with it.

    Args:
      variables: what is averaged, by name.
      averaging: which averages.
      every: steps between two updates.
      warmup: of those with a decay, see `MovingAverage`.
    """

    def __init__(
        self,
        variables: Mapping[str, tf.Variable],
        averaging: AveragingConfig,
        every: int,
        warmup: bool,
    ) -> None:
        super().__init__(name="further")
        self.every = every
        self.by_decay = {
            f"{decay:g}": MovingAverage(variables, decay, every, warmup)
            for decay in averaging.ema_decays
        }
        self.by_length = {
            f"{length:g}": PowerAverage(variables, length, every)
            for length in averaging.ema_lengths
        }

    def update(self, step: tf.Tensor) -> None:
        """Averages in the weights after `step` finished steps; see `MovingAverage`."""
        for average in (*self.by_decay.values(), *self.by_length.values()):
            average.update(step)

    def describe(self) -> dict[str, Any]:
        """What a checkpoint says of them."""
        return {
            "ema_decays": sorted(self.by_decay),
            "ema_lengths": sorted(self.by_length),
            "ema_every": self.every if self.by_length else 0,
        }

    def refuse_others(self, saved: Mapping[str, Any]) -> None:
        """Raises SettingError where a checkpoint holds other averages than these.

        An average that begins in the middle would not be what its name says.
        """
        for name, mine in self.describe().items():
            there = saved.get(name) or type(mine)()
            if there != mine:
                shown = ",".join(there) if isinstance(there, list) else there
                raise SettingError(
                    name,
                    ",".join(mine) if isinstance(mine, list) else mine,
                    f"the run has been trained with {shown or 'none'} so far; leave it "
                    "as it was, or give another `run_dir`",
                )


class AllAverages(NamedTuple):
    """The average that samples come from, and those beside it."""

    first: MovingAverage
    further: FurtherAverages

    def update(self, step: tf.Tensor) -> None:
        """Averages in the weights after `step` finished steps; see `MovingAverage`."""
        self.first.update(step)
        self.further.update(step)
