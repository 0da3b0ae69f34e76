"""A dry run looks at what it calls ready, and the doctor proposes what fits."""

from dataclasses import replace

import numpy as np
import pytest
from tiny_runs import SMALL

from pdm_tf import flags
from pdm_tf.commands.train import main
from pdm_tf.config import (
    Config,
    DataConfig,
    DoctorConfig,
    SamplingConfig,
    TrainingConfig,
)
from pdm_tf.doctor import proposal
from pdm_tf.doctor.findings import estimate_memory, on_one_device
from pdm_tf.doctor.machine import free_bytes, memory_bytes
from pdm_tf.doctor.plan import dry_run
from pdm_tf.doctor.showing import show
from pdm_tf.errors import InputError
from pdm_tf.storage.images import write_png

WORDS = ("--width=8", "--channel_multipliers=1", "--attention_resolutions=")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Forty grey pictures of 48 pixels, of two classes."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for i in range(40):
        place = folder / "ab"[i % 2] / f"{i}.png"
        write_png(place, rng.integers(0, 255, (48, 50, 1), np.uint8))
    return folder


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--dataset=folder:none/there"], "none/there"),
        (["--dataset=folder:PICTURES", "--num_classes=3"], "num_classes=3"),
        (["--dataset=tfds:no/where"], "dataset=tfds:no/where"),
    ],
)
def test_a_dry_run_opens_the_data(pictures, tmp_path, words, said):
    words = [word.replace("PICTURES", str(pictures)) for word in words]
    run_dir = f"--run_dir={tmp_path / 'run'}"
    with pytest.raises(InputError, match=said):
        main(["train.py", "--dry_run", *WORDS, run_dir, *words])
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_memory_that_the_machine_has_not_is_named(pictures, monkeypatch):
    assert 0 < free_bytes() <= memory_bytes()
    config = Config(
        data=DataConfig(dataset=f"folder:{pictures}"),
        network=SMALL,
        training=TrainingConfig(batch_size=4),
        sampling=SamplingConfig(sample_images=2),
    )
    said = {finding.name: finding for finding in dry_run(config)}
    assert "40 pictures" in said["data"].text
    assert not [finding for finding in said.values() if finding.advice]
    monkeypatch.setattr("pdm_tf.doctor.findings.memory_bytes", lambda: 2**20)
    findings = estimate_memory(*on_one_device(config, 1))
    advice = show(findings, str)
    assert [error.setting for error in advice] == ["batch_size", "sample_images"]
    assert "this machine has 1 MiB" in str(advice[0])


@pytest.mark.parametrize(
    ("minutes", "width"), [(1, 32), (30, 64), (300, 96), (3000, 128)]
)
def test_the_proposal_fits_pictures_machine_and_time(
    pictures, tmp_path, monkeypatch, minutes, width
):
    monkeypatch.setattr(
        proposal, "_rate", lambda config, source: 50.0 * 64 / config.network.width
    )
    out = tmp_path / "mine.flags"
    config = Config(data=DataConfig(dataset=f"folder:{pictures}"))
    assert proposal.propose(DoctorConfig(minutes, str(out)), config, {"dataset"}) == 0
    (proposed,) = flags.parse(["", f"--flagfile={out}"], Config)
    assert proposed.network.image_shape == (32, 32, 1)  # grey, and below 64 pixels
    assert proposed.network.patch_size == 2
    assert proposed.network.width == width
    seconds = proposed.training.iterations * 32 * width / (50.0 * 64)
    assert seconds == pytest.approx(0.85 * 60 * minutes, rel=0.1)
    fresh = TrainingConfig(iterations=proposed.training.iterations)
    assert proposed.training == replace(fresh, run_dir=proposed.training.run_dir)
    assert ("blurs" in out.read_text()) == (minutes == 1)


def test_what_is_given_is_not_proposed_anew(pictures, monkeypatch, capsys):
    monkeypatch.setattr(proposal, "_rate", lambda config, source: 50.0)
    config = Config(
        data=DataConfig(dataset=f"folder:{pictures}"),
        network=replace(SMALL, image_shape=(16, 16, 3)),
        training=TrainingConfig(warmup=7),
    )
    given = {"dataset", "image_shape", "patch_size", "width", "warmup"}
    proposal.propose(DoctorConfig(30), config, given)
    lines = capsys.readouterr().out.splitlines()
    assert {"--image_shape=16,16,3", "--width=8", "--warmup=7"} <= set(lines)
