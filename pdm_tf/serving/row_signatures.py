"""Requests with a value of every setting for each picture, as servers batch them.

TensorFlow Serving's row format (`instances`) and its batching need inputs and outputs
with one value a picture; signatures with a number of steps for all pictures have none.
"""

from collections.abc import Callable

import tensorflow as tf

from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.serving.signatures import (
    all_within,
    as_many,
    checked,
    finite,
    labels_known,
    labels_spec,
)

# Serving's REST interface encodes strings as base64 whose output is named so.
PNG = "png_bytes"
_PNG_CHANNELS = (1, 2, 3, 4)  # grey, colour, and each with transparency


def _rows_function(body: Callable, denoiser: Denoiser) -> Callable:
    """A function of seeds, labels, steps and guidance, each of [N]."""
    kinds = {"seeds": tf.int32, "steps": tf.int32, "guidance": tf.float32}
    specs = {n: tf.TensorSpec([None], kind, n) for n, kind in kinds.items()}
    specs["labels"] = labels_spec(denoiser)
    signature = [specs[name] for name in ("seeds", "labels", "steps", "guidance")]
    return tf.function(body, input_signature=signature, autograph=False)


def rows_signature(denoiser: Denoiser, in_steps: Callable) -> Callable:
    """A sampler as a function whose steps and guidance are one value a picture.

    Pictures that agree in both are drawn together, by the signature that has one value
    for all, so that each is what that draws, to the bit.

    Args:
      denoiser: the model, whose classes and timesteps bound what may be asked.
      in_steps: the sampler as `sample_signatures` gives it, by a number of steps.

    Returns:
      seeds int32 [N], labels int32 [N], steps int32 [N], guidance float32 [N] ->
      images uint8 [N, H, W, C].
    """
    shape, most = denoiser.image_shape, denoiser.schedule.timesteps

    def sample_rows(
        seeds: tf.Tensor, labels: tf.Tensor, steps: tf.Tensor, guidance: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        holds = [
            as_many("steps", steps, seeds),
            as_many("guidance", guidance, seeds),
            all_within("steps", steps, 1, most),
            finite("guidance", guidance),
            *labels_known(denoiser, labels, seeds),
        ]
        seeds, steps, guidance = checked(holds, (seeds, steps, guidance))
        asked = labels if denoiser.takes_conditions else tf.zeros_like(seeds)
        every = tf.range(tf.size(seeds))

        def draw_alike(done: tf.Tensor, images: tf.Tensor) -> tuple:
            """The pictures that agree with the first of those not drawn yet."""
            first = tf.argmax(tf.cast(~done, tf.int32), output_type=tf.int32)
            alike = tf.equal(steps, steps[first]) & tf.equal(guidance, guidance[first])
            rows = tf.where((alike & ~done) | tf.equal(every, first))
            drawn = in_steps(
                tf.gather(seeds, rows[:, 0]),
                tf.gather(asked, rows[:, 0]),
                steps[first],
                guidance[first],
            )
            made = tf.tensor_scatter_nd_update(images, rows, drawn["images"])
            return done | alike | tf.equal(every, first), made

        none = (
            tf.zeros_like(seeds, tf.bool),
            tf.zeros([tf.size(seeds), *shape], "uint8"),
        )
        _, images = tf.while_loop(lambda d, _: ~tf.reduce_all(d), draw_alike, none)
        return {"images": images}

    return _rows_function(sample_rows, denoiser)


def png_signature(denoiser: Denoiser, in_rows: Callable) -> Callable | None:
    """The same with encoded pictures; None where PNG has no such number of channels.

    Args:
      denoiser: the model.
      in_rows: what `rows_signature` gives.

    Returns:
      The inputs of `in_rows` -> png_bytes: string [N], a PNG file each, without loss.
    """
    if denoiser.image_shape[2] not in _PNG_CHANNELS:
        return None

    def sample_png(
        seeds: tf.Tensor, labels: tf.Tensor, steps: tf.Tensor, guidance: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        images = in_rows(seeds, labels, steps, guidance)["images"]
        return {PNG: tf.io.encode_png(images)}

    return _rows_function(sample_png, denoiser)


def config_signature(text: str) -> Callable:
    """What an export says of its model, for servers that refuse calls without inputs.

    Args:
      text: JSON.

    Returns:
      rows int32 [N] -> config: string [N], the same text each.
    """

    def config_rows(rows: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"config": tf.fill(tf.shape(rows), text)}

    spec = tf.TensorSpec([None], tf.int32, "rows")
    return tf.function(config_rows, input_signature=[spec], autograph=False)
