"""Prepares a folder or an archive of pictures as a data set, or measures its reading.

Examples:
  python -m pdm_tf.data prepare --source=PATH --image_size=256 --out=DIR [--labels]
  python -m pdm_tf.data measure --dataset=tfds:DIR --image_shape=256,256,3
"""

import sys

from pdm_tf import flags
from pdm_tf.config import Config, MeasureConfig, PrepareConfig
from pdm_tf.progress import say

TASKS: dict[str, flags.Own] = {
    "prepare": PrepareConfig,
    "measure": (MeasureConfig, Config),
}


def main(argv: list[str]) -> int:
    """Reads the flags and prepares or measures."""
    task, settings = flags.parse_method(
        argv,
        TASKS,
        description=__doc__ or "",
        kind="task",
        formerly={"--measure": "measure"},
        default="prepare",
    )
    say("loading TensorFlow …")
    if task == "measure":
        from pdm_tf.doctor.reading import measure

        for line in measure(*settings):
            print(line, flush=True)
        return 0
    from pdm_tf.data.preparation.prepare import prepare
    from pdm_tf.data.preparation.record import format_record

    try:
        print(format_record(settings[0], prepare(settings[0])))
    except KeyboardInterrupt:
        print("stopped; the same command goes on", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    flags.run(main)
