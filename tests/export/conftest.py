"""Exports as small as they get, one of them with all samplers."""

import pytest
from toys import GaussianToy, MixtureToy

import pdm_tf as pdm
from pdm_tf.export import export_saved_model
from pdm_tf.samplers import SAMPLERS


@pytest.fixture(scope="session")
def parted():
    """A split with two classes, whose best estimates are known in closed form."""
    return pdm.split(MixtureToy(shift=0.2), GaussianToy(shift=0.2), snr=0.5)


@pytest.fixture(scope="session")
def sampling() -> pdm.SamplingConfig:
    return pdm.SamplingConfig(thresholding="static", variance="small")


@pytest.fixture(scope="session")
def exported(parted, sampling, tmp_path_factory) -> str:
    """The split's SavedModel, with every sampler on the shelf."""
    directory = tmp_path_factory.mktemp("parted") / "export"
    export_saved_model(parted, directory, "--a=b", sampling, tuple(SAMPLERS))
    return str(directory)
