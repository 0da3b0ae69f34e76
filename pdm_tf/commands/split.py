"""Joins runs trained on ranges of SNR into a split that is used like one run.

Example: pdm-tf split --parts=runs/low,runs/high --out=runs/both
         pdm-tf split --suggest --model=runs/mnist --out=runs/burden
"""

from pdm_tf import flags
from pdm_tf.config import InputError, SplitConfig
from pdm_tf.progress import say


def main(argv: list[str]) -> None:
    """Writes model.json, after trying the parts together; or suggests where."""
    (config,) = flags.parse(argv, SplitConfig, description=__doc__ or "")
    if config.suggest:
        if config.parts:
            raise InputError("--suggest joins nothing; leave --parts out")
        from pdm_tf.analysis.burden import suggest

        print(suggest(config))
        return
    for name in ("parts", "out"):
        if not getattr(config, name):
            raise InputError(f"--{name} is missing; see --help")
    say("loading TensorFlow …")
    from pdm_tf import assemble

    print(f"split in {assemble.join_runs(config.parts.split(','), config.out)}")
