"""Joins runs trained on ranges of SNR into a split that is used like one run.

Example: pdm-tf split --parts=runs/low,runs/high --out=runs/both
"""

from pdm_tf import flags
from pdm_tf.config import InputError, SplitConfig
from pdm_tf.progress import say


def main(argv: list[str]) -> None:
    """Writes model.json, after trying the parts together."""
    (config,) = flags.parse(argv, SplitConfig, description=__doc__ or "")
    for name in ("parts", "out"):
        if not getattr(config, name):
            raise InputError(f"--{name} is missing; see --help")
    say("loading TensorFlow …")
    from pdm_tf import assemble

    print(f"split in {assemble.join_runs(config.parts.split(','), config.out)}")
