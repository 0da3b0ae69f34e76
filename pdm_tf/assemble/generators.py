"""Any model that can be named -> what generates its pictures."""

from pathlib import Path
from typing import TYPE_CHECKING

from pdm_tf import flags
from pdm_tf.serving.denoiser_generator import DenoiserGenerator
from pdm_tf.serving.description import describe
from pdm_tf.serving.generator import ImageGenerator
from pdm_tf.serving.http_generator import HttpGenerator, is_served
from pdm_tf.serving.opening import is_export
from pdm_tf.serving.opening import open_generator as open_export
from pdm_tf.serving.weights import with_constants_where_small

if TYPE_CHECKING:
    from pdm_tf.assemble.models import OpenedModel


def open_generator(
    setting: str, path: str | Path, trust: bool = False
) -> ImageGenerator:
    """The generator of any model, a SavedModel and a .tflite file among them.

    One that TensorFlow Serving holds is named by its address.

    Args:
      setting: the setting that names it, for messages.
      path: see `open_model`, or where the export lies or is served.
      trust: run a SavedModel whatever operations it has, see `serving.operations`.

    Raises:
      InputError: no model, or a damaged one.
    """
    if is_served(path):
        return HttpGenerator(setting, str(path))
    if is_export(path):
        return open_export(setting, path, trust)
    from pdm_tf.assemble.models import open_model  # loads Keras

    return generator_of(open_model(path, setting))


def generator_of(model: "OpenedModel") -> DenoiserGenerator:
    """The generator of an opened model, which gives what its export would."""
    sampling, record = model.settings.sampling, flags.to_flagfile(model.settings)
    description = describe(
        model.denoiser, sampling, record, model.lineage, model.class_names, model.sealed
    )
    denoiser = with_constants_where_small(model.denoiser)
    return DenoiserGenerator(denoiser, sampling, description)
