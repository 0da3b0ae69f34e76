"""The command line of `python -m pdm_tf.data`."""

from dataclasses import dataclass

from pdm_tf.config.options import option


@dataclass(frozen=True)
class PrepareConfig:
    """The command line of `python -m pdm_tf.data`."""

    source: str = option(
        "",
        "Pictures to prepare: a folder, a zip, an LSUN lmdb directory, or ImageNet's "
        "tars (the tar of tars, or a directory of nXXXXXXXX.tar).",
    )
    image_size: int = option(
        256, "Side of the pictures [pixels], cropped in the middle as ADM crops."
    )
    channels: int = option(3, "1 for grey, 3 for colour.")
    out: str = option("", "Directory of the data set; train on tfds:DIR.")
    labels: bool = option(
        False, "Keep classes: the first folders that differ, or the tars of ImageNet."
    )
    split: str = option(
        "train", "Name of the split; a data set may get another, such as test, later."
    )
    shard_pictures: int = option(
        0, "Pictures in a file; 0: as many as are 200 MB when decoded."
    )
    measure: bool = option(
        False,
        "Measure instead how fast --dataset is read, in batches of --batch_size; all "
        "flags of train.py are known.",
    )
    measure_seconds: float = option(5.0, "How long --measure reads [s].")
    measure_steps: int = option(
        0, "With --measure: training steps to time as well, for comparison."
    )
