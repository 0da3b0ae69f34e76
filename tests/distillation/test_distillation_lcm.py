"""LCM-LoRA: the teacher at first, adapters alone learn, one model file afterwards."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from small_networks import SCHEDULE, noisy, small_denoiser
from tiny_runs import make_run

from pdm_tf import assemble
from pdm_tf.assemble import training, validating
from pdm_tf.assemble.generators import generator_of
from pdm_tf.assemble.models import open_model
from pdm_tf.config import Config, InputError, SamplingConfig
from pdm_tf.config.sampling import FEW
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.distillation.lcm_lora import Config as Settings
from pdm_tf.distillation.lcm_lora import derive
from pdm_tf.evaluation.comparison import CompareConfig, compare
from pdm_tf.serving import SavedModelGenerator
from pdm_tf.storage.arrays import read_arrays
from pdm_tf.training.averages import load_average, load_averages_of
from pdm_tf.training.train_loop import Ending

LABELS = tf.constant([0, 1, 2, 3])  # the last is the null label
QUICK = Settings(
    iterations=4, batch_size=4, rank=2, save_every=2, warmup=1, ema_every=1
)


def derived(base, **settings):
    sampling = SamplingConfig(thresholding="static")
    context = SimpleNamespace(settings=Config(sampling=sampling))
    return derive(base, Settings(rank=2, **settings), context)


def test_before_training_the_student_is_the_unguided_teacher():
    base, level = small_denoiser(), SCHEDULE.level(400)
    student = derived(base).denoiser
    found = for_sampling(student, LABELS, 3.0, SamplingConfig(thresholding="none"))
    wanted = base.conditioned(LABELS)(noisy(4), level).x
    np.testing.assert_allclose(found(noisy(4), level).x, wanted, atol=1e-4)


def test_only_adapters_learn_and_the_base_is_held_once():
    base = small_denoiser()
    made, own = derived(base), {id(v) for v in base.variables.values()}
    added = {n: v for n, v in made.denoiser.variables.items() if id(v) not in own}
    assert added == made.objective.variables
    assert all(name.startswith("plan.") for name in added)
    assert made.objective.teacher.network is base.network


def test_a_base_without_classes_is_not_guided_and_one_that_guides_is_refused():
    with pytest.raises(InputError, match="guides already"):
        derived(derived(small_denoiser()).denoiser)
    with pytest.raises(InputError, match="solver_steps=1001: choose 1 to 1000"):
        derived(small_denoiser(), solver_steps=1001)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    network = {"image_shape": (16, 16, 1), "num_classes": 10}
    where = tmp_path_factory.mktemp("lcm") / "run"
    return make_run(where, 1, ema_every=1, network=network)


@pytest.fixture(scope="module")
def model(run):
    """The derived model; the checkpoints that it was chosen from are there still."""
    out = run.parent / "fast"
    config = replace(QUICK, validation_images=8)
    assert assemble.derive("lcm_lora", run, out, config, note=lambda line: None)
    return out


def test_the_best_checkpoint_is_the_model(model):
    entry = assemble.lineage.read(model)
    chosen, distances = entry["trained"]["step"], entry["trained"]["distances"]
    assert distances.keys() == {"2", "4"}
    assert distances[str(chosen)] == min(distances.values())
    stored = read_arrays(model / entry["weights"], entry["sha256"])
    variables = {name: tf.Variable(array) for name, array in stored.items()}
    list(load_averages_of(model / "checkpoints", variables, [chosen]))
    for name, array in stored.items():
        np.testing.assert_array_equal(variables[name], array)
    assert load_average(model / "checkpoints", variables) == 4


def test_it_is_sampled_in_few_steps_by_its_own_sampler_from_its_export_too(model):
    opened = open_model(model)
    assert opened.denoiser.own_sampler == FEW
    export = assemble.export_run(model)
    served = SavedModelGenerator("model", str(export))
    assert served.samplers[0] == "lcm"
    assert served.description["own_sampler"] == list(FEW)
    asked = np.arange(3), np.arange(3), "4", 1.5, "lcm"
    found, wanted = served.generate(*asked), generator_of(opened).generate(*asked)
    np.testing.assert_array_equal(found, wanted)
    assert not np.array_equal(wanted[0], wanted[1])


def test_it_is_compared_with_its_base_each_by_its_own_sampler(model, run, tmp_path):
    config = CompareConfig(
        model=str(model), reference=str(run), num_images=4, reference_steps="3",
        out=str(tmp_path / "c.json"),
    )  # fmt: skip
    found = compare(config, lambda name, path: generator_of(open_model(path)))
    rows = found["model"], found["reference"]
    assert [row["sampler"] for row in rows] == ["lcm", "ddim"]
    assert [row["evaluations_per_picture"] for row in rows] == [4, 6]


@pytest.mark.slow  # tests/assemble stops and goes on in the quick set
def test_killed_in_training_and_in_validation_it_ends_with_the_same_bits(
    run, model, monkeypatch
):
    out, config = run.parent / "killed", replace(QUICK, validation_images=8)

    def go():
        return assemble.derive("lcm_lora", run, out, config, note=lambda line: None)

    whole = training.run

    def stopped(settings, *others):
        assert whole(replace(settings, iterations=2), *others)
        return Ending.INTERRUPTED

    with monkeypatch.context() as patched:
        patched.setattr(training, "run", stopped)
        assert go() is Ending.INTERRUPTED

    drawn = []

    def killed(*given):
        drawn.append(given)
        if len(drawn) == 2:
            raise KeyboardInterrupt
        return draw(*given)

    draw = validating._draw
    with monkeypatch.context() as patched:
        patched.setattr(validating, "_draw", killed)
        with pytest.raises(KeyboardInterrupt):
            go()
    assert go()
    first, second = (assemble.lineage.read(place) for place in (model, out))
    assert first["sha256"] == second["sha256"]
    assert first["trained"] == second["trained"]
