"""Every flagfile in configs/: parses, builds, passes a dry run, takes a step."""

import gc
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from pdm_tf import flags
from pdm_tf.assemble.training import build_state, build_trainer, check_settings, t_range
from pdm_tf.config import Config
from pdm_tf.data import emoji
from pdm_tf.networks import shapes

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted((ROOT / "configs").glob("*.flags"))
PAPER = {
    "lsun_church_p2": 122_916_120,
    "lsun_church_p4": 121_416_544,
    "lsun_church_p8": 121_011_584,
    "ffhq_1024": 162_645_344,
    "imagenet_high_noise": 202_148_704,
    "imagenet_low_noise": 202_148_704,
    "jit_b16_imagenet256": 131_123_712,
}


def read(path: Path) -> Config:
    (config,) = flags.parse(["", f"--flagfile={path}"], Config)
    return config


def test_the_papers_experiments_are_all_there():
    assert set(PAPER) <= {path.stem for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_flagfile_is_sound_and_says_what_to_expect(path):
    config = read(path)
    check_settings(config)
    shapes.grid_shape(config.network)
    header = path.read_text().split("\n\n--")[0]
    assert f"python train.py --flagfile=configs/{path.name}" in header
    assert config.training.run_dir == f"runs/{path.stem}"


def test_both_parts_of_imagenet_cover_every_timestep():
    low = t_range(read(ROOT / "configs" / "imagenet_low_noise.flags"))
    high = t_range(read(ROOT / "configs" / "imagenet_high_noise.flags"))
    assert (low, high) == ((0, 395), (396, 999))


def test_ffhq_follows_the_papers_table():
    config = read(ROOT / "configs" / "ffhq_1024.flags")
    assert config.training.learning_rate == 2e-5
    assert config.diffusion.beta_end == 0.025


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_dry_run_says_ready(path):
    if path.stem == "emoji" and not any(Path(p).is_file() for p in emoji._PLACES):
        pytest.skip("Noto Color Emoji is not installed")
    command = [sys.executable, "train.py", f"--flagfile={path}", "--dry_run"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1].startswith("ready")
    assert "memory, training about" in done.stdout
    if path.stem in PAPER:
        assert f"{PAPER[path.stem]:,}" in done.stdout
        (said,) = re.findall(r"[\d.]+ GFLOP a picture", path.read_text())
        assert said in done.stdout


@pytest.fixture
def returned():
    """The memory of one network is given back before the next is built."""
    yield
    keras.backend.clear_session()
    gc.collect()


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_one_real_step_at_reduced_batch(path, tmp_path, returned):
    config = read(path)
    training = replace(
        config.training, batch_size=1, run_dir=str(tmp_path), init_from=""
    )
    # The processor has no bfloat16 arithmetic worth waiting for.
    network = replace(config.network, precision="float32")
    config = replace(config, training=training, network=network)
    state = build_state(config, tf.distribute.get_strategy())
    kernel = state.denoiser.network.patches_out.kernel
    trainer = build_trainer(config, tf.distribute.get_strategy(), state)
    shape = config.network.image_shape
    rng = np.random.default_rng(0)
    pictures = tf.constant(rng.integers(0, 256, (1, *shape)), tf.uint8)
    data = tf.data.Dataset.from_tensors((pictures, tf.constant([0]))).repeat()
    metrics = trainer.run_steps(iter(data), tf.constant(1))
    assert np.isfinite(float(metrics.terms["simple"]))
    assert np.isfinite(float(metrics.gradient_norm))
    assert float(metrics.gradient_norm) > 0
    assert np.any(kernel.numpy() != 0)
    assert int(state.step) == 1
