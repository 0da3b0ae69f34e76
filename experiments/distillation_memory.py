"""Memory of a training step: adapters on one model, or a second model that learns.

Run in a process of its own, it prints one line of JSON: bytes of variables, bytes of
results of a step as the graph tells, and the most that the process ever held, less what
it held with TensorFlow loaded and nothing built.

Example: python -m experiments.distillation_memory pretrained:mnist adapters 64 8
"""

import argparse
import json
import resource
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import tensorflow as tf

from pdm_tf.assemble import OpenedModel, open_model
from pdm_tf.assemble.building import build_denoiser, named_variables
from pdm_tf.data.images import to_float
from pdm_tf.denoisers import NetworkDenoiser
from pdm_tf.denoisers.objective import Loss
from pdm_tf.distillation.guidance_lora import Config, derive
from pdm_tf.objectives.draws import Draws
from pdm_tf.objectives.guidance_distillation import GuidanceDistillation
from pdm_tf.profiling.memory import peak_bytes
from pdm_tf.training.accumulation import accumulated
from pdm_tf.training.ema import MovingAverage
from pdm_tf.training.optimizer import Adam

WAYS = ("adapters", "two models")
STEPS = 3


def held() -> int:
    """Memory of this process now [bytes]."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def objective_of(model: OpenedModel, way: str) -> GuidanceDistillation:
    """The same loss for adapters, or for all weights of a copy of the model."""
    context = SimpleNamespace(settings=model.settings)
    objective = derive(model.denoiser, Config(), context).objective
    assert isinstance(objective, GuidanceDistillation)
    if way == "adapters":
        return objective
    copy = build_denoiser(model.settings)
    variables = named_variables(copy.network)
    for path, own in named_variables(model.denoiser.network).items():  # type: ignore[attr-defined]
        variables[path].assign(own)
    student = NetworkDenoiser(copy.network, copy.schedule, copy.prediction, apart=False)
    return replace(objective, student=student, variables=variables)


def measure(model: OpenedModel, way: str, batch: int, at_once: int) -> dict[str, int]:
    """Bytes of a training step that has run a few times."""
    before = held()
    objective = objective_of(model, way)
    learning: Mapping[str, tf.Variable] = objective.variables
    adam, average = Adam(learning, lambda step: 1e-3), MovingAverage(learning)
    variables = list(learning.values())
    kinds = Loss(tf.float32, dict.fromkeys(objective.terms, tf.float32), tf.int32)

    def differentiated(
        pictures: tf.Tensor, labels: tf.Tensor, draws: Draws
    ) -> tuple[Loss, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            loss = objective(to_float(pictures), labels, draws)
            total = tf.reduce_sum(loss.total) / batch
        zero = tf.UnconnectedGradients.ZERO
        gradients = tape.gradient(total, variables, unconnected_gradients=zero)
        return loss, [tf.convert_to_tensor(g) for g in gradients]

    def step(pictures: tf.Tensor, labels: tf.Tensor, count: tf.Tensor) -> None:
        parts = pictures, labels, objective.draw(0, count, batch)
        gradients = accumulated(
            differentiated, parts, batch // at_once, variables, kinds
        )[1]
        adam.apply(gradients, count)
        average.update(count + 1)

    compiled = tf.function(step, autograph=False)
    x = tf.zeros([batch, *model.denoiser.image_shape], tf.uint8)
    given = x, tf.zeros([batch], tf.int32), tf.constant(0, tf.int64)
    for _ in range(STEPS):
        compiled(*given)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    resident = [*objective.teacher.variables.values()]
    resident += [*objective.student.variables.values(), *adam.m.values()]
    resident += [*adam.v.values(), *average.weights.values()]
    each = {id(v): v.shape.num_elements() * v.dtype.size for v in resident}
    return {
        "variables": sum(each.values()),
        "results": peak_bytes(compiled.get_concrete_function(*given)),
        "process": most - before,
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="see `open_model`")
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("batch", type=int, help="pictures in a step")
    parser.add_argument("at_once", type=int, help="of these computed at a time")
    words = parser.parse_args(argv)
    model = open_model(words.model)
    print(json.dumps(measure(model, words.way, words.batch, words.at_once)))


if __name__ == "__main__":
    main()
