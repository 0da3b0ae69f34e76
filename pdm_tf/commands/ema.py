"""Makes a model of another average of a run's weights, of any length (post-hoc EMA).

Example: pdm-tf ema --run_dir=runs/mine --length=0.1 --out=runs/mine-0.10
"""

from pdm_tf import flags
from pdm_tf.config import EmaConfig
from pdm_tf.progress import say


def main(argv: list[str]) -> None:
    """Puts the average together, on the processor, and writes it."""
    (config,) = flags.parse(argv, EmaConfig, description=__doc__ or "")
    say("loading TensorFlow …")
    from pdm_tf.assemble.averaging import make_average

    print(f"done: {make_average(config)} is used like the directory of a run")
