"""Any model that can be named -> what generates its pictures."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pdm_tf import flags
from pdm_tf.denoisers.each_guidance import each_guided
from pdm_tf.errors import SettingError
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


def with_guidance_each(
    generator: ImageGenerator, given: tuple[str, ...]
) -> ImageGenerator:
    """The generator with guidance weights of conditions by themselves.

    Args:
      generator: of a model.
      given: weights as NAME=WEIGHT; none leaves it as it is.

    Raises:
      SettingError: an export, or a model without such conditions.
    """
    if not given:
        return generator
    if not isinstance(generator, DenoiserGenerator):
        raise SettingError(
            "guidance_each",
            ",".join(given),
            "an export has the weights that it was written with; give them to "
            "python -m pdm_tf.export, or sample from the model itself",
        )
    each_guided(generator.denoiser, given)  # refused now
    sampling = replace(generator.sampling, guidance_each=given)
    said = {**generator.description, "sampling": asdict(sampling)}
    return DenoiserGenerator(generator.denoiser, sampling, said)


def generator_of(model: "OpenedModel") -> DenoiserGenerator:
    """The generator of an opened model, which gives what its export would."""
    sampling, record = model.settings.sampling, flags.to_flagfile(model.settings)
    description = describe(
        model.denoiser, sampling, record, model.lineage, model.class_names, model.sealed
    )
    denoiser = with_constants_where_small(model.denoiser)
    return DenoiserGenerator(denoiser, sampling, description)
