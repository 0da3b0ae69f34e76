"""A small classifier of a run's own pictures, for features that know classes."""

import keras
import numpy as np

WIDTHS = (16, 32, 64)  # of 3×3 convolutions, each of which halves the picture
FEATURES = 64
_BATCH, _RATE, _SHIFT = 64, 2e-3, 2


def train_classifier(
    pictures: np.ndarray, labels: np.ndarray, classes: int, epochs: int, seed: int
) -> dict[str, np.ndarray]:
    """Kernels and biases by layer, "conv_0.kernel" for instance.

    Args:
      pictures: float32 [N, H, W, C] in [-1, 1].
      labels: int32 [N].
      classes: number of them.
      epochs: rounds through the pictures, each time moved a little.
      seed: of weights, order and moves.
    """
    network = _build(pictures.shape[1:], classes, seed)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.Adam(_RATE), loss)
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        order = rng.permutation(len(pictures))
        for first in range(0, len(order), _BATCH):
            rows = order[first : first + _BATCH]
            by = tuple(rng.integers(-_SHIFT, _SHIFT + 1, 2))
            network.train_on_batch(np.roll(pictures[rows], by, (1, 2)), labels[rows])
    layers = (layer for layer in network.layers if layer.weights)
    return {
        f"{layer.name}.{variable.name}": np.array(variable)
        for layer in layers
        for variable in layer.weights
    }


def _build(shape: tuple[int, ...], classes: int, seed: int) -> keras.Model:
    def drawn(i: int) -> keras.Initializer:
        return keras.initializers.GlorotUniform(seed=seed + i)

    layers: list[keras.layers.Layer] = [keras.Input(shape)]
    for i, width in enumerate(WIDTHS):
        name, start = f"conv_{i}", drawn(i)
        layers.append(
            keras.layers.Conv2D(
                width, 3, 2, "same", "channels_last", activation="relu",
                kernel_initializer=start, name=name,
            )
        )  # fmt: skip
    start = drawn(len(WIDTHS))
    layers += [
        keras.layers.Flatten(),
        keras.layers.Dense(FEATURES, "silu", kernel_initializer=start, name="dense"),
        keras.layers.Dense(
            classes, kernel_initializer=drawn(len(WIDTHS) + 1), name="logits"
        ),
    ]
    return keras.Sequential(layers)
