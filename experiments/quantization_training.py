"""Full quantisation-aware training, which methods that tune are held against.

All weights of the network learn through their rounding, and biases, norms, embeddings
and ranges with them, from the training pictures and the loss of pre-training. It starts
where EfficientDM starts.
"""

import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from experiments.cached_sampling import Bench
from pdm_tf.assemble.progress import Progress
from pdm_tf.config.quantization import EfficientDMConfig
from pdm_tf.data.sources import open_source
from pdm_tf.denoisers import Denoiser
from pdm_tf.denoisers.derivation import Context
from pdm_tf.objectives.denoising import DenoisingObjective
from pdm_tf.quantization.deriving import Fitting, quantized
from pdm_tf.quantization.efficientdm import rules
from pdm_tf.quantization.min_max import fit_nearest
from pdm_tf.quantization.quest import Moved
from pdm_tf.quantization.trained_layer import TrainedLayer
from pdm_tf.quantization.tuning import Trained, Tuning, minimize

TRAINING = "full training W4A4, {} steps"
RATE = 1e-4  # of weights, biases and norms: the least that pre-training has


class Pictures(NamedTuple):
    """A batch, and the number that its noise is drawn from."""

    x: np.ndarray
    labels: np.ndarray
    step: np.ndarray


def train_quantized(bench: Bench, work: Path, iterations: int) -> dict[str, Any]:
    """Trains a copy of a model; where it is sampled is left to the caller.

    Returns:
      `denoiser`, and the seconds of the processor that it took, with those of earlier
      commands that were stopped.
    """
    config = EfficientDMConfig(iterations=iterations)  # 4 bits of both
    out = work / bench.data / TRAINING.format(iterations).replace(" ", "_")
    progress, began, before = Progress(out, lambda: None), time.process_time(), 0.0

    def spent() -> float:
        return before + time.process_time() - began

    def keep(key: str, arrays: Mapping[str, Any]) -> None:
        progress.keep(key, {**arrays, "spent": np.array(spent())})

    def kept(key: str) -> Mapping[str, np.ndarray] | None:
        nonlocal before
        found = progress.kept(key)
        if found is not None:  # of a command that was stopped
            before, started = float(found["spent"]), time.process_time() - began
            before -= started  # what is done again does not count twice
        return found

    context = Context(
        bench.settings,
        lambda: None,
        note=lambda line: print(line, flush=True),
        keep=keep,
        kept=kept,
    )
    made = quantized(
        bench.base, config, context, rules(config), lambda f: _fit(f, config, bench)
    )
    return {
        "denoiser": made.denoiser,
        "processor_seconds": round(spent(), 1),
    }


def _fit(fitting: Fitting, config: EfficientDMConfig, bench: Bench) -> None:
    fit_nearest(fitting, "mse")
    plan, trained = _learner(fitting, config)
    pictures, labels = _training_pictures(bench)
    objective = DenoisingObjective(
        fitting.denoise.with_plan(plan),
        {name: one.variable for name, one in trained.items()},
        bench.settings.diffusion.weighting,
        0.1,
        (0, bench.base.schedule.timesteps - 1),
    )

    def loss(batch: Pictures) -> tf.Tensor:
        draws = objective.draw(config.seed, batch.step, config.batch_size)
        return tf.reduce_mean(objective(batch.x, batch.labels, draws).total)

    def batch(i: int) -> Pictures:
        chosen = np.random.default_rng([config.seed, i]).choice(
            len(labels), config.batch_size, replace=False
        )
        return Pictures(pictures[chosen], labels[chosen], np.array(i, np.int64))

    how = Tuning(config.iterations, config.batch_size, 0.0)
    minimize(loss, batch, trained, how, fitting.context, f"{fitting.name}.training")
    for layer in plan.values():
        layer.store()


def _learner(
    fitting: Fitting, config: EfficientDMConfig
) -> tuple[dict[str, TrainedLayer], dict[str, Trained]]:
    plan: dict[str, TrainedLayer] = {}
    trained: dict[str, Trained] = {}
    rates = {"change": RATE, "log_scale": config.scale_rate}
    for path, layer in fitting.plan.items():
        weighs = bool(layer.spec.weights and layer.shape)
        kernel = fitting.kernel(path) if weighs else None
        above = Moved(layer.shape) if weighs else None
        plan[path] = TrainedLayer(layer, kernel, above, scales=True)
        for name, variable in plan[path].variables.items():
            rate = rates.get(name, config.range_rate)
            trained[f"{path}:{name}"] = Trained(variable, rate)
    for variable in fitting.denoise.network.trainable_variables:
        if not re.search("kernel$", variable.path):
            trained[variable.path.replace("/", ".")] = Trained(variable.value, RATE)
    return plan, trained


def _training_pictures(bench: Bench) -> tuple[np.ndarray, np.ndarray]:
    base: Denoiser = bench.base
    source = open_source(bench.data, base.image_shape, base.num_classes)
    pictures, labels = source.read(np.arange(len(source)))
    return pictures.astype(np.float32) / 127.5 - 1.0, np.asarray(labels, np.int32)
