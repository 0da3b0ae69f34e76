"""Puts the parts of samples together that several machines made.

Example: pdm-tf merge --shards=parts --out_dir=samples
"""

from pdm_tf import flags
from pdm_tf.config import MergeConfig


def main(argv: list[str]) -> None:
    """Reads the flags and writes what one run would have written."""
    (config,) = flags.parse(argv, MergeConfig, description=__doc__ or "")
    from pdm_tf.serving.samples import is_of_samples
    from pdm_tf.serving.shards import merge_samples
    from pdm_tf.storage.outputs import check_directory

    check_directory("out_dir", config.out_dir, is_of_samples)
    print(f"pictures and grid.png in {merge_samples(config)}")
