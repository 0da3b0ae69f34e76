"""What processes that train together must know of each other."""

import tensorflow as tf

from pdm_tf.errors import SettingError


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process writes what is written once for all workers."""
    return not is_multi_worker(strategy) or strategy.cluster_resolver.task_id == 0


def is_multi_worker(strategy: tf.distribute.Strategy) -> bool:
    """Whether other processes take part."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


class Coordination:
    """Reductions over all processes of a training; of one process alone, its own value.

    Every one of them calls the same methods in the same order.
    """

    def __init__(self, strategy: tf.distribute.Strategy) -> None:
        self._together, self._replicas = is_multi_worker(strategy), 1
        if self._together:
            self._replicas = strategy.num_replicas_in_sync
            add = tf.distribute.ReduceOp.SUM
            self._sum = tf.function(
                lambda x: strategy.reduce(
                    add, strategy.run(tf.identity, args=(x,)), axis=None
                ),
                autograph=False,
            )

    def any(self, here: bool) -> bool:
        """Whether it is true in any process; waits for all of them."""
        if not self._together:
            return here
        return float(self._sum(tf.constant(float(here)))) > 0

    def wait(self) -> None:
        """Returns when all processes have come here."""
        self.any(False)

    def check_step(self, step: int, run_dir: str) -> None:
        """Raises SettingError where processes would go on from different steps."""
        if not self._together:
            return
        mean = int(self._sum(tf.constant(step, tf.int64))) / self._replicas
        if self.any(step != mean):
            raise SettingError(
                "run_dir",
                run_dir,
                f"the workers see different checkpoints (here step {step}); give all "
                "of them the same directory",
            )
