"""Measurements to play with: of a picture, by an operator."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image

from pdm_tf.config.inverse import ProblemConfig, SimulateConfig
from pdm_tf.data.decoding import opened_picture
from pdm_tf.data.fitting import size_of
from pdm_tf.data.images import checked_shape, save_png, to_uint8
from pdm_tf.inverse.manifests import describe, is_of_inverse
from pdm_tf.inverse.measurements import FILE, measure_picture, write_measurement
from pdm_tf.storage.files import write_json
from pdm_tf.storage.outputs import MANIFEST, locked_directory, refuse_others

_SHOWN = "measurement.png"


def simulate(config: ProblemConfig, own: SimulateConfig) -> str:
    """Writes measurement.npz, measurement.png (its pseudo-inverse) and truth.png.

    Returns:
      A line on what there is.

    Raises:
      InputError: settings or pictures that do not fit, or a directory of others.
    """
    shape = _shape_of(config, own)
    found = measure_picture(config, shape)
    manifest = describe("simulate", config, asdict(own) | {"image_shape": list(shape)})
    with locked_directory("out", config.out, is_of_inverse) as there:
        directory = Path(config.out)
        if there is not None:
            refuse_others(directory, there, manifest)
        write_json(directory / MANIFEST, manifest)
        write_measurement(directory, config, found)
        shown = np.asarray(found.operator.pinv(found.y))
        save_png(directory / _SHOWN, to_uint8(shown)[0])
        assert found.truth is not None
        save_png(directory / "truth.png", found.truth[0])
    operator = found.operator
    return (
        f"{operator.count} numbers of {operator.size} in {directory / FILE}; what they "
        f"tell by themselves: {directory / _SHOWN}"
    )


def _shape_of(config: ProblemConfig, own: SimulateConfig) -> tuple[int, ...]:
    """The shape that is asked for, or that of the picture."""
    height, width = size_of("image", config.image)
    if own.image_shape:
        return checked_shape(own.image_shape)
    with opened_picture(config.image) as picture:
        grey = Image.getmodebase(picture.mode) == "L"
    return height, width, 1 if grey else 3
