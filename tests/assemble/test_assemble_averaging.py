"""Other averages of a run are models of their own, made by one command."""

import numpy as np
import pytest
from test_end_to_end import called, error_of
from tiny_runs import SMALLEST

from pdm_tf.assemble import open_model
from pdm_tf.commands import ema, train
from pdm_tf.storage.arrays import read_arrays


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of twelve steps with averages of two lengths and another decay."""
    folder = tmp_path_factory.mktemp("averaging")
    (folder / "small.flags").write_text(SMALLEST)
    words = ["--iterations=12", "--ema_lengths=0.05,0.1", "--ema_decays=0.5"]
    words += ["--snapshot_every=4", f"--run_dir={folder / 'run'}"]
    code, said = called(train.main, f"--flagfile={folder / 'small.flags'}", *words)
    assert code == 0, said
    return folder / "run"


def test_snapshots_are_written_when_it_is_time_to(run):
    found = sorted(path.name for path in (run / "averages").iterdir())
    assert found == [
        f"step_{step:06d}_length_{length}.safetensors"
        for step in (4, 8, 12)
        for length in ("0.05", "0.1")
    ]


@pytest.mark.parametrize("which", ["length=0.1", "length=0.2", "decay=0.5"])
def test_an_average_is_a_model(run, tmp_path, which):
    out = tmp_path / "other"
    code, said = called(ema.main, f"--run_dir={run}", f"--out={out}", f"--{which}")
    assert code == 0, said
    own, made = open_model(run), open_model(out)
    assert made.settings.training.run_dir == str(out)
    assert made.digest != own.digest
    for name, variable in made.denoiser.variables.items():
        assert np.isfinite(variable.numpy()).all()
        assert variable.shape == own.denoiser.variables[name].shape
    if which == "length=0.1":
        kept = read_arrays(run / "averages" / "step_000012_length_0.1.safetensors")
        for name, array in read_arrays(out / "weights.safetensors").items():
            np.testing.assert_allclose(array, kept[name], atol=1e-6)
    assert "not empty" in error_of(
        ema.main, f"--run_dir={run}", f"--out={out}", "--length=0.1"
    )


def test_what_is_missing_is_named(run, tmp_path):
    words = f"--run_dir={run}", f"--out={tmp_path / 'x'}"
    assert "--length is missing" in error_of(ema.main, *words)
    assert "--decay=0.7: the run has 0.5" in error_of(ema.main, *words, "--decay=0.7")
    assert "choose from 4, 8, 12" in error_of(
        ema.main, *words, "--length=0.1", "--at_step=5"
    )
    assert "--ema_lengths" in error_of(
        train.main, "--ema_lengths=0.5", f"--run_dir={tmp_path / 'y'}"
    )
