"""Keras' `fit` around an objective: the same losses, its callbacks, its manners."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_runs import SMALL

import pdm_tf as pdm
from pdm_tf.config import Config, InputError, SamplingConfig, TrainingConfig

CONFIG = Config(
    network=replace(SMALL, num_classes=3),
    training=TrainingConfig(batch_size=8),
    sampling=SamplingConfig(sample_images=4, sample_steps=2),
)
RNG = np.random.default_rng(0)
PICTURES = RNG.integers(0, 256, (20, 8, 8, 1), np.uint8)
LABELS = np.arange(20) % 3


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A model, its history, and the folder of its callbacks; 20 pictures by eights."""
    place = tmp_path_factory.mktemp("fitted")
    model = pdm.fittable(CONFIG)
    before = [v.numpy() for v in model.network.trainable_variables]
    model.compile(optimizer=keras.optimizers.Adam(3e-3))
    callbacks = [
        pdm.SampleSheets(place, CONFIG, every=2),
        keras.callbacks.ModelCheckpoint(
            place / "last.weights.h5", save_weights_only=True
        ),
    ]
    history = model.fit(
        PICTURES,
        LABELS,
        batch_size=8,
        epochs=4,
        shuffle=False,
        verbose=0,
        callbacks=callbacks,
        validation_data=(PICTURES, LABELS),
        validation_batch_size=8,
    )
    return model, history.history, place, before


@pytest.mark.slow
def test_the_loss_falls_and_all_weights_move(fitted):
    model, history, _, before = fitted
    assert set(history) == {
        f"{part}{name}" for part in ("", "val_") for name in ("loss", "simple", "vlb")
    }
    assert history["val_loss"][-1] < history["val_loss"][0]
    for variable, was in zip(model.network.trainable_variables, before, strict=True):
        assert np.any(variable.numpy() != was), variable.path


@pytest.mark.slow
def test_callbacks_are_called_and_what_they_kept_is_the_model(fitted):
    model, _, place, _ = fitted
    assert {p.name for p in place.glob("*.png")} == {"epoch_002.png", "epoch_004.png"}
    other = pdm.fittable(CONFIG)
    other.load_weights(place / "last.weights.h5")
    pairs = zip(model.network.variables, other.network.variables, strict=True)
    for a, b in pairs:
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_a_batch_has_the_loss_of_the_objective():
    model = pdm.fittable(CONFIG)
    model.compile(optimizer=keras.optimizers.SGD(0.0))
    got = model.fit(PICTURES[:8], LABELS[:8], batch_size=8, shuffle=False, verbose=0)
    x = tf.cast(PICTURES[:8], tf.float32) / 127.5 - 1.0
    labels = tf.constant(LABELS[:8], tf.int32)
    wanted = model.objective(x, labels, model.objective.draw(0, tf.constant(0), 8))
    np.testing.assert_allclose(got.history["loss"][0], np.mean(wanted.total), rtol=1e-5)


def test_no_pictures_a_batch_is_refused():
    with pytest.raises(InputError, match="batch_size"):
        pdm.fittable(replace(CONFIG, training=TrainingConfig(batch_size=0)))
