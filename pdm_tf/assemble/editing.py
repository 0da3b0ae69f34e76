"""Any model that can be named -> what edits pictures with it; the command's work."""

from typing import Any

import numpy as np
import tensorflow as tf

from pdm_tf import flags
from pdm_tf.assemble.settings import build_schedule
from pdm_tf.config import Config, EditingConfig, SamplingConfig
from pdm_tf.config.conditioning import read_conditions
from pdm_tf.denoisers.callback import CallbackDenoiser
from pdm_tf.denoisers.counted import counted
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.diffusion import NoiseSchedule
from pdm_tf.editing.tasks import Model, Task
from pdm_tf.editing.writing import write_edits
from pdm_tf.errors import InputError, SettingError
from pdm_tf.progress import progress
from pdm_tf.serving.description import open_schedule
from pdm_tf.serving.litert_generator import LitertGenerator
from pdm_tf.serving.opening import is_export, open_generator
from pdm_tf.serving.saved_model_generator import SavedModelGenerator
from pdm_tf.serving.watching import watched


def run_task(task: str, config: EditingConfig, own: Any) -> int:
    """Edits as a command line says; how many pictures there are then.

    Raises:
      InputError: see `write_edits`.
    """
    model, digest = open_editor(config.model, config.trust_model)
    calls: list[None] = []

    def counting(model: Model) -> Model:
        denoise = counted(model.denoise, lambda: calls.append(None))
        return model._replace(denoise=denoise)

    model = counting(model)
    if getattr(own, "target_model", ""):
        target, known = open_editor(own.target_model, config.trust_model)
        model = model._replace(target=counting(target))
        digest = f"{digest} {known}"
    if getattr(own, "energy", ""):
        try:
            energy, known = open_editor(own.energy, config.trust_model)
        except SettingError as error:
            raise error.named("energy") from None
        model = model._replace(energy=energy)
        digest = f"{digest} {known}"

    def run(ready: Task) -> tf.Tensor:
        title = f"{task} of {config.count} pictures"
        with progress(None, title, "steps", total=ready.evaluations) as bar:

            def advance(count: int) -> None:
                bar.update(min(count, ready.evaluations - bar.n))

            return watched(ready.work, lambda: len(calls), advance)

    return write_edits(task, config, own, model, digest, run)


def open_editor(path: str, trust: bool = False) -> tuple[Model, str]:
    """What edits pictures with a model, and what the model is known by.

    Of an export its estimates are taken, and all else computed here. One that keeps
    features from step to step computes them anew in each.

    Raises:
      InputError: no model, a damaged one, or an export that does not say its schedule.
    """
    if not is_export(path):
        from pdm_tf.assemble import open_model  # loads Keras

        opened = open_model(path)
        names = opened.class_names
        return Model(opened.denoiser, opened.settings.sampling, names), opened.digest
    generator = open_generator("model", path, trust)
    names = tuple(generator.description.get("class_names") or ())
    digest = str(generator.description.get("digest", ""))
    if isinstance(generator, LitertGenerator):
        return Model(generator.denoiser, generator.sampling, names), digest
    assert isinstance(generator, SavedModelGenerator)
    said = generator.description.get("sampling", {})
    given: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in said.items()
    }
    try:
        sampling = SamplingConfig(**given)
    except TypeError as error:
        raise SettingError("model", path, f"not an export of ours ({error})") from None
    return Model(_of_saved_model(path, generator), sampling, names), digest


def _of_saved_model(path: str, generator: SavedModelGenerator) -> Denoiser:
    """The denoiser whose estimates a SavedModel gives."""
    estimate = generator.signatures["denoise"]

    def evaluate(z: Any, t: Any, labels: Any) -> Any:
        made = estimate(z=np.asarray(z), t=np.asarray(t), labels=np.asarray(labels))
        return made["x"], made["variance"]

    denoiser = CallbackDenoiser(
        evaluate,
        generator.image_shape,
        generator.num_classes,
        _schedule_of(path, generator.description),
    )
    denoiser.conditions = read_conditions(generator.description)
    denoiser.distilled_guidance = generator.description.get("distilled_guidance")
    return denoiser


def _schedule_of(path: str, description: dict[str, Any]) -> NoiseSchedule:
    """The noise schedule of an export, from its sealed settings or its run's record."""
    known = description.get("sealed") or {}
    if {"timesteps", "beta_end"} <= known.keys():
        return open_schedule(known)
    try:
        words = description["record"].splitlines()
        (config,) = flags.parse(["", *(w for w in words if w[:2] == "--")], Config)
    except (KeyError, AttributeError, InputError):
        words = []
    if not words:
        raise SettingError(
            "model",
            path,
            "does not say its noise schedule; name the model that it was made of",
        )
    return build_schedule(config)
