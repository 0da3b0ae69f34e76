"""The command line of `python -m pdm_tf.data`."""

from dataclasses import dataclass

from pdm_tf.config.options import option


@dataclass(frozen=True)
class PrepareConfig:
    """Prepares a folder or an archive of pictures as a data set."""

    source: str = option(
        "",
        "Pictures to prepare: a folder, a zip, an LSUN lmdb directory, or ImageNet's "
        "tars (the tar of tars, or a directory of nXXXXXXXX.tar).",
    )
    image_size: int = option(
        256, "Side of the pictures [pixels], cropped in the middle as ADM crops."
    )
    channels: int = option(3, "1 for grey, 3 for colour.")
    out: str = option(
        "", "Directory of the data set; train on tfds:DIR.", output="directory"
    )
    labels: bool = option(
        False, "Keep classes: the first folders that differ, or the tars of ImageNet."
    )
    split: str = option(
        "train", "Name of the split; a data set may get another, such as test, later."
    )
    shard_pictures: int = option(
        0, "Pictures in a file; 0: as many as are 200 MB when decoded."
    )
    beam_runner: str = option(
        "",
        "Runner of Apache Beam whose workers write the files, such as DirectRunner or "
        "FlinkRunner; all must see source and out. Empty: this process writes them.",
    )
    beam_options: tuple[str, ...] = option(
        (),
        "Options of that runner without their dashes, such as direct_num_workers=0 and "
        "direct_running_mode=multi_processing.",
    )


@dataclass(frozen=True)
class MeasureConfig:
    """Measures how fast a source is read, in batches, with the flags of train.py."""

    measure_seconds: float = option(5.0, "How long to read [s].", low=0)
    measure_steps: int = option(0, "Training steps to time as well, for comparison.")
