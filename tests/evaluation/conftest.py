"""A SavedModel as small as they get, for the tests of evaluation."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def network():
    """Untrained, with three classes, for 16x16x1 pictures."""
    import keras

    from pdm_tf.config import UNetConfig
    from pdm_tf.networks import PatchedUNet

    keras.utils.set_random_seed(0)
    made = PatchedUNet(
        UNetConfig(
            image_shape=(16, 16, 1),
            width=32,
            channel_multipliers=(1.0,),
            blocks_per_level=(1,),
            attention_resolutions=(),
            num_classes=3,
        )
    )
    for variable in made.trainable_variables:  # no output layer of zeros
        variable.assign(variable + 0.02 * keras.random.normal(variable.shape))
    return made


@pytest.fixture(scope="session")
def saved_model(network, tmp_path_factory) -> str:
    """Of that network."""
    from pdm_tf.denoisers import NetworkDenoiser
    from pdm_tf.diffusion import NoiseSchedule
    from pdm_tf.export import export_saved_model

    denoiser = NetworkDenoiser(network, NoiseSchedule.linear(100, 0.2), "x")
    directory: Path = tmp_path_factory.mktemp("model") / "export"
    export_saved_model(denoiser, directory)
    return str(directory)
