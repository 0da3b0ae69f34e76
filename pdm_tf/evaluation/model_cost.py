"""What a model costs whose pictures are asked for: evaluations, operations, bytes."""

from pathlib import Path
from typing import Any

import tensorflow as tf

from pdm_tf.profiling.flops import count_call_flops, count_denoise_flops
from pdm_tf.profiling.parameters import count_parameters
from pdm_tf.serving.generator import ImageGenerator
from pdm_tf.serving.saved_model_generator import SavedModelGenerator


def count_evaluations(
    model: ImageGenerator, sampler: str, steps: str, guidance: float
) -> int:
    """Evaluations of the network for one picture: twice as many under guidance.

    And as many times more as conditions have weights of their own. A model into which
    its guidance was distilled is never guided again.
    """
    distilled = model.description.get("distilled_guidance") is not None
    known = model.num_classes or model.description.get("conditions")
    guided = known and guidance != 1 and not distilled
    each = 1 + len(model.description.get("sampling", {}).get("guidance_each", ()))
    return model.evaluations(sampler, steps) * (2 if guided else 1) * each


def parameters_of(model: ImageGenerator) -> int | None:
    """Numbers that the model has learned; None where it does not say."""
    known = model.description.get("parameters")
    if known is None and hasattr(model, "denoiser"):
        known = count_parameters(model.denoiser.variables)
    return known


def flops_of(model: ImageGenerator) -> int | None:
    """Floating-point operations of one evaluation for one picture.

    Returns:
      A number; None where the graph does not tell it, as of a .tflite file.
    """
    if isinstance(model, SavedModelGenerator):
        return count_denoise_flops(model.open_function("denoise"), model.image_shape)
    denoiser: Any = getattr(model, "denoiser", None)
    if denoiser is None:
        return None

    def evaluate(z: tf.Tensor) -> tf.Tensor:
        level = denoiser.schedule.level(tf.zeros([], tf.int32))
        return denoiser.predict(z, level, denoiser.init_carry(z))[0].x

    z = tf.TensorSpec([1, *model.image_shape], tf.float32)
    return count_call_flops(evaluate, z) or None


def bytes_of(model: ImageGenerator, path: str | Path) -> int | None:
    """Bytes of the weights; of a file or SavedModel as it lies on the disk.

    Args:
      model: the model.
      path: where it was opened.
    """
    path = Path(path).expanduser()
    if path.is_file():
        return path.stat().st_size
    if (path / "saved_model.pb").is_file():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return model.description.get("bytes")
