"""Which of T timesteps a sampler visits: ADM's rule, rounding included.

An index is the rounded value (ties to even) of a running float64 sum of strides; the
sum is accumulated, not multiplied, since the two differ in rare ties.
"""

import tensorflow as tf

from pdm_tf.errors import SettingError


def _accumulated(start: int, size: int, count: int) -> list[int]:
    stride = (size - 1) / (count - 1) if count > 1 else 1.0
    position, chosen = 0.0, []
    for _ in range(count):
        chosen.append(start + round(position))
        position += stride
    return chosen


def _constant_stride(timesteps: int, count: int) -> list[int]:
    for stride in range(1, timesteps):
        if len(range(0, timesteps, stride)) == count:
            return list(range(0, timesteps, stride))
    raise SettingError(
        "steps",
        f"ddim{count}",
        f"no integer stride visits {count} of {timesteps} timesteps; give the number "
        f"alone ('{count}')",
    )


def spread(timesteps: int, steps: str) -> list[int]:
    """Timesteps visited, ascending, for "250", "90,60,60,20,20" or "ddim50".

    Raises:
      SettingError: not of that form, or more steps than a section has timesteps.
    """
    strides, numbers = steps.startswith("ddim"), steps.removeprefix("ddim")
    try:
        counts = [int(n) for n in ([numbers] if strides else numbers.split(","))]
    except ValueError:
        raise SettingError(
            "steps", steps, "give a number, a list such as 90,60,60,20,20, or ddimN"
        ) from None
    if strides:
        return _constant_stride(timesteps, counts[0])
    size, longer = divmod(timesteps, len(counts))
    start, chosen = 0, []
    for i, count in enumerate(counts):
        length = size + (i < longer)
        if not 1 <= count <= length:
            raise SettingError(
                "steps",
                steps,
                f"section {i + 1} has {length} timesteps and cannot take {count} "
                f"steps; choose 1 to {length}",
            )
        chosen += _accumulated(start, length, count)
        start += length
    return chosen


def spread_in_graph(timesteps: int, count: tf.Tensor) -> tf.Tensor:
    """`spread` for one section and an int32 tensor count: int32 [count], ascending.

    A count outside 1 … timesteps is moved to the nearer end, since a graph cannot
    raise on every runtime.
    """
    count = tf.clip_by_value(count, 1, timesteps)
    gaps = tf.cast(tf.maximum(count - 1, 1), tf.float64)
    stride = tf.constant(timesteps - 1, tf.float64) / gaps

    def advance(i: tf.Tensor, position: tf.Tensor, chosen: tf.TensorArray) -> tuple:
        rounded = tf.cast(tf.round(position), tf.int32)  # ties to even, as Python's
        return i + 1, position + stride, chosen.write(i, rounded)

    start = (0, tf.constant(0.0, tf.float64), tf.TensorArray(tf.int32, count))
    loop = tf.while_loop(lambda i, *_: i < count, advance, start)
    return loop[2].stack()
