"""What takes the U-Net takes the patch transformer too, or says that it does not."""

from copy import deepcopy

import numpy as np
import pytest
from test_conformance_derived import config_of
from tiny_runs import JIT, make_run, sampled

from pdm_tf import assemble
from pdm_tf.assemble import lineage, methods
from pdm_tf.config import Config, DataConfig, InputError, TrainingConfig
from pdm_tf.doctor.examination import examine

# Methods of a U-Net's own parts: each says so in a line.
OF_U_NETS = {"deepcache", "encoder_propagation", "time_table"}
OF_U_NETS |= {"temporal_cache", "tfmq_dm", "idm", "slimflow", "spectral"}
OF_U_NETS |= {"classifier"}  # of the process that they have here


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A run of the transformer with ten classes and random weights. Only read."""
    settings = deepcopy(JIT)
    settings["network"]["num_classes"] = 10
    directory = tmp_path_factory.mktemp("jit") / "run"
    return make_run(directory, 1, scale=0.2, ema_every=1, **settings)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (name not in OF_U_NETS))
        for name in sorted(methods.method_paths())
    ],
)
def test_a_method_takes_it_or_says_why_not(name, base, tmp_path):
    config, out = config_of(name, base), tmp_path / "derived"
    if name in OF_U_NETS:
        with pytest.raises(
            InputError, match=r"a JiT has no|a patched U-Net alone|is linear"
        ) as error:
            assemble.derive(name, base, out, config, note=lambda line: None)
        assert "\n" not in str(error.value)
        assert not (out / lineage.MANIFEST).exists()
        return
    assert assemble.derive(name, base, out, config, note=lambda line: None)
    opened = assemble.open_model(out)
    pictures = sampled(opened.denoiser)
    assert np.isfinite(pictures).all()
    np.testing.assert_array_equal(pictures, sampled(assemble.restore(out)))


@pytest.mark.slow
def test_the_doctor_examines_it(base):
    settings = assemble.settings_of(base)
    training = TrainingConfig(run_dir=str(base), batch_size=4, iterations=2)
    sampling = settings.sampling
    config = Config(
        data=DataConfig(dataset="mnist"),
        diffusion=settings.diffusion,
        network=settings.network,
        transformer=settings.transformer,
        training=training,
        sampling=type(sampling)(sample_images=2, thresholding="none"),
    )
    found = {finding.name: finding for finding in examine(config)}
    assert {"tokens", "blocks", "training step", "two-step sample"} <= found.keys()
    assert all(finding.advice is None for finding in found.values())
