"""Any model that can be named -> a solver of inverse problems; the command's work."""

import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from pdm_tf.assemble.editing import open_editor
from pdm_tf.config.inverse import ProblemConfig, SolveConfig
from pdm_tf.data.images import to_uint8
from pdm_tf.data.labels import find_labels
from pdm_tf.denoisers.counted import counted
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.editing.tasks import Model
from pdm_tf.evaluation.metrics import psnr, ssim
from pdm_tf.inverse import results
from pdm_tf.inverse.manifests import describe, is_of_inverse
from pdm_tf.inverse.measurements import measure_picture, read_measurement
from pdm_tf.inverse.problem import Problem, check_gradient
from pdm_tf.inverse.red_diff import balance
from pdm_tf.inverse.shelf import SOLVERS, evaluations_of
from pdm_tf.progress import progress
from pdm_tf.serving.watching import watched
from pdm_tf.storage.files import write_json
from pdm_tf.storage.outputs import MANIFEST, locked_directory, refuse_others

_WINDOW = 11  # pixels that SSIM needs


def solve(method: str, config: ProblemConfig, shared: SolveConfig, own: Any) -> str:
    """Restores a picture as a command line says; returns a report.

    Raises:
      InputError: a model, a measurement or settings that do not fit each other, or a
        directory of others.
    """
    model, digest = open_editor(shared.model, shared.trust_model)
    shape = model.denoise.image_shape
    if shared.measurement:
        problem = read_measurement(shared.measurement, config, shape)
    else:
        problem = measure_picture(config, shape)
    settings = {**vars(shared), **vars(own), "model": digest}
    manifest = describe(method, config, settings)
    with locked_directory("out", config.out, is_of_inverse) as there:
        directory = Path(config.out)
        if there is not None:
            refuse_others(directory, there, manifest)
            if results.is_complete(directory, shared.count):
                return f"{shared.count} pictures are there already"
        x, report = _solved(method, problem, shared, own, model)
        write_json(directory / MANIFEST, manifest)
        results.write(directory, problem, x, report)
    return results.format_report(report)


def _solved(
    method: str, problem: Problem, shared: SolveConfig, own: Any, model: Model
) -> tuple[tf.Tensor, dict[str, Any]]:
    """The results, float32 [N, H, W, C], and what is to be said of them."""
    solver = SOLVERS[method]
    classes = model.denoise.num_classes
    given = find_labels(shared.labels, classes, model.class_names) or classes
    labels = np.resize(given, shared.count).astype(np.int32)
    weight = shared.guidance if shared.labels else 1.0
    grid = model.denoise.schedule.grid(shared.steps, shared.spacing)
    total = evaluations_of(method, own, grid, model.denoise)
    if solver.NEEDS_GRADIENT:
        one = for_sampling(model.denoise, labels[:1], 1.0, model.sampling)
        check_gradient(one, method)
    calls: list[None] = []
    counting = counted(model.denoise, lambda: calls.append(None))
    denoise = for_sampling(counting, labels, weight, model.sampling)
    seeds = range(shared.seed, shared.seed + shared.count)
    began = time.monotonic()
    with progress(None, f"{method} of {shared.count}", "steps", total=total) as bar:
        x = watched(
            lambda: solver.solve(denoise, problem, grid, seeds, own),
            lambda: len(calls),
            lambda count: bar.update(min(count, total - bar.n)),
        )
    report = {
        "solver": method,
        "paper": solver.PAPER,
        "measured": problem.operator.count,
        "pixels": problem.operator.size,
        "evaluations": len(calls) or total,  # what was learnt is not seen at work
        "seconds": time.monotonic() - began,
        "consistency": results.consistency(problem, x),
    }
    if method == "red_diff":
        report["balance"] = balance(problem, own)
    return x, report | _compared(problem, x)


def _compared(problem: Problem, x: tf.Tensor) -> dict[str, list[float]]:
    """Metrics of each result beside the truth, where that is known."""
    if problem.truth is None:
        return {}
    pairs = [(made[None], problem.truth) for made in to_uint8(x).numpy()]
    # A picture without any error has no number of decibels.
    found = {"psnr": [psnr(*pair) for pair in pairs if (pair[0] != pair[1]).any()]}
    large = min(problem.truth.shape[1:3]) >= _WINDOW
    if large and find_spec("skimage"):
        found["ssim"] = [ssim(*pair) for pair in pairs]
    return {name: values for name, values in found.items() if values}
