"""Memory that a run takes in this fresh process, beside what the doctor estimates.

python -m pdm_tf.doctor.measured_memory FLAGFILE train|sample BATCH: prints both, in
MiB; with a fourth word only the estimate, and 0. Measured is the most that the process
ever held, less what it held with TensorFlow imported and not yet at work.
"""

import os
import re
import resource
import sys
from dataclasses import replace
from pathlib import Path

import tensorflow as tf

from pdm_tf import flags
from pdm_tf.assemble.building import build_denoiser
from pdm_tf.assemble.state import build_state, build_trainer
from pdm_tf.config import Config
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.doctor.findings import estimate_memory, on_one_device
from pdm_tf.profiling.peak_memory import peak_memory
from pdm_tf.samplers import DDPM, sample

STEPS = (1, 3)  # a call for each


def held() -> float:
    """Memory of this process now [MiB]."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def train(config: Config) -> None:
    """Some steps on the same pictures."""
    device, batch = tf.distribute.get_strategy(), config.training.batch_size
    trainer = build_trainer(config, device, build_state(config, device))
    x = tf.zeros([batch, *config.network.image_shape], tf.uint8)
    data = tf.data.Dataset.from_tensors((x, tf.zeros([batch], tf.int32))).repeat()
    for steps in STEPS:
        trainer.run_steps(iter(data), tf.constant(steps)).terms["simple"].numpy()


def draw(config: Config) -> None:
    """Some pictures."""
    denoiser, sampling = build_denoiser(config), config.sampling
    labels = tf.range(sampling.sample_images) % max(config.network.num_classes, 1)
    denoise = for_sampling(denoiser, labels, sampling.sample_guidance, sampling)
    shape, seeds = config.network.image_shape, range(sampling.sample_images)
    for steps in STEPS:
        grid = denoiser.schedule.grid(steps + 1)
        sample(denoise, DDPM(), grid, seeds, shape).numpy()


def main(flagfile: str, work: str, batch: str, only_estimate: str = "") -> None:
    """Measures, estimates and prints."""
    (config,) = flags.parse(["", f"--flagfile={flagfile}"], Config)
    config = replace(
        config,
        training=replace(config.training, batch_size=int(batch), run_dir="none"),
        sampling=replace(config.sampling, sample_images=int(batch)),
    )
    tf.constant(1.0) + 1.0
    before = held()
    most = before
    if not only_estimate:
        {"train": train, "sample": draw}[work](config)
        most = peak_memory()["host"] / 2**20
    name = {"train": "memory, training", "sample": "memory, samples"}[work]
    findings = estimate_memory(*on_one_device(config, 1))
    (text,) = (finding.text for finding in findings if finding.name == name)
    estimate = re.findall(r"about ([\d,]+) MiB", text)[0].replace(",", "")
    print(estimate, round(most - before), text)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    main(*sys.argv[1:])
