"""Requests that TensorFlow Serving makes before it says that a model is ready.

TensorFlow initialises a graph's parts when they are first called, which takes many
times as long as a call. Serving reads requests from a file of an export and makes them
first: a TFRecord file of its messages `PredictionLog`. These are few, and are written
here as protocol buffers are encoded, so that none of Serving's packages is needed.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from pdm_tf.storage.durability import make_directory

FILE = "assets.extra/tf_serving_warmup_requests"
_STEPS = 2  # with which every part of a sampling loop is called
_BYTES = 2  # wire type of what is prefixed with its length
# Numbers of fields: PredictionLog.predict_log, PredictLog.request, and PredictRequest's
# model_spec and inputs, a map of key and value; ModelSpec.signature_name.
_PREDICT_LOG, _REQUEST, _MODEL_SPEC, _INPUTS, _KEY, _VALUE, _SIGNATURE = (
    *(6, 1, 1, 2, 1, 2, 3),
)


def write_warm_up(
    directory: Path, signatures: Mapping[str, Any], guidance: float
) -> None:
    """Writes a request of one picture for each signature, within an export.

    Args:
      directory: of the SavedModel.
      signatures: its functions by name, each with an input signature.
      guidance: guidance weight that clients are going to ask for.

    Raises:
      OSError: the disk is full, or refuses.
    """
    make_directory((directory / FILE).parent)
    try:
        with tf.io.TFRecordWriter(str(directory / FILE)) as writer:
            for name, function in sorted(signatures.items()):
                if specs := function.input_signature:
                    writer.write(encode_request(name, _example(specs, guidance)))
    except tf.errors.OpError as error:  # such as a full disk
        raise OSError(error.message) from error


def _example(specs: tuple[tf.TensorSpec, ...], guidance: float) -> dict[str, tf.Tensor]:
    """Inputs of one picture, of the null class or the first, of two steps."""
    values = {"steps": _STEPS, "guidance": guidance, "timesteps": 0}
    return {
        spec.name: tf.fill(
            [1 if size is None else size for size in spec.shape],
            tf.cast(values.get(spec.name, 0), spec.dtype),
        )
        for spec in specs
    }


def encode_request(signature: str, inputs: Mapping[str, tf.Tensor]) -> bytes:
    """A `PredictionLog` with a request for a signature, serialised.

    Args:
      signature: its name.
      inputs: its inputs by name.
    """
    spec = _field(_MODEL_SPEC, _field(_SIGNATURE, signature.encode()))
    entries = []
    for name, value in sorted(inputs.items()):
        tensor = tf.make_tensor_proto(value).SerializeToString(deterministic=True)
        entry = _field(_KEY, name.encode()) + _field(_VALUE, tensor)
        entries.append(_field(_INPUTS, entry))
    request = spec + b"".join(entries)
    return _field(_PREDICT_LOG, _field(_REQUEST, request))


def _field(number: int, content: bytes) -> bytes:
    """A field of a protocol buffer whose content is bytes, text or a message."""
    return _varint(number << 3 | _BYTES) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    """A number, seven bits a byte, the lowest first."""
    low, rest = number & 127, number >> 7
    return bytes([low | 128]) + _varint(rest) if rest else bytes([low])
