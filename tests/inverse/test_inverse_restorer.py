"""What a model learns of one operator: laws of the restorer, and its command."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from small_networks import SMALL, small_denoiser

from pdm_tf import assemble
from pdm_tf.assemble import training
from pdm_tf.config import Config, InputError
from pdm_tf.data.images import save_png, to_float
from pdm_tf.denoisers import split
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.distillation.idm import Config as Settings
from pdm_tf.distillation.idm import derive
from pdm_tf.inverse.__main__ import main
from pdm_tf.inverse.idm import solve
from pdm_tf.inverse.operators import open_operator
from pdm_tf.inverse.operators.compressed import Compressed
from pdm_tf.inverse.problem import Problem
from pdm_tf.inverse.restorer import Restorer, Restoring, restorer_of
from pdm_tf.training.train_loop import Ending

SHAPE = SMALL.image_shape
TIMES = [600, 400, 200]


class Pictures:
    """A source of noise."""

    def __len__(self):
        return 9

    def read(self, chosen):
        drawn = np.random.default_rng(0).integers(0, 256, (9, *SHAPE))
        return drawn[chosen].astype(np.uint8), np.zeros(len(chosen), np.int32)


def pictures(count=3):
    return to_float(Pictures().read(np.arange(count))[0])


@pytest.fixture(scope="module")
def operator():
    return Compressed(SHAPE, 0.25, 3)


@pytest.fixture(scope="module")
def restorer(operator):
    made = Restorer(small_denoiser(apart=False), operator, TIMES)
    for name, value in made.numbers.items():  # away from where they start
        value.assign_add(0.01 * tf.random.stateless_normal(value.shape, (len(name), 0)))
    seed = (1, 2)
    weights = made.injected.weights
    weights.assign(0.1 * tf.random.stateless_normal(weights.shape, seed))
    return made


def test_what_is_restored_is_as_it_was_measured(restorer, operator):
    y = operator.forward(pictures())
    np.testing.assert_allclose(operator.forward(restorer(y)), y, atol=1e-5)


def test_gradients_are_those_of_plain_back_propagation(restorer, operator):
    """Through the whole of it, of every variable that learns."""
    x, found = pictures(2), {}
    learnt = restorer.learnt

    def gradients():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.abs(restorer(operator.forward(x)) - x))
        zero = tf.UnconnectedGradients.ZERO
        made = tape.gradient(loss, list(learnt.values()), unconnected_gradients=zero)
        return [tf.convert_to_tensor(g) for g in made]

    for restorer.reversible in (False, True):
        found[restorer.reversible] = gradients()
    for name, a, b in zip(learnt, found[True], found[False], strict=True):
        off, size = np.linalg.norm(a - b), np.linalg.norm(b)
        assert off <= 1e-3 * size + 1e-7, name
        assert size > 0 or "classes" in name or "gate" in name, name


def derived(base, restoring=False, facts=None, **settings):
    context = SimpleNamespace(
        settings=Config(),
        open_source=Pictures,
        restoring=restoring,
        facts=facts or {},
    )
    return derive(base, Settings(calibration_images=9, **settings), context)


def test_a_model_samples_as_its_base_and_has_weights_of_its_own_to_restore():
    base = small_denoiser()
    made = derived(base, steps=2)
    z, level = tf.random.stateless_normal((2, *SHAPE), (0, 0)), base.schedule.level(500)
    np.testing.assert_array_equal(made.denoiser(z, level).x, base(z, level).x)
    held = {id(v) for v in base.variables.values()}
    own = [v for v in made.denoiser.variables.values() if id(v) not in held]
    assert not held & {id(v) for v in made.objective.variables.values()}
    assert len(own) == len(restorer_of(made.denoiser).variables)
    assert not [n for n in made.objective.variables if "variance" in n]
    first = restorer_of(made.denoiser).denoise.network.variables[0]
    np.testing.assert_array_equal(first, base.network.variables[0])


def test_steps_begin_at_the_noise_that_their_states_have():
    """Of the first it is (n/m - 1) mean(x²), whatever the network."""
    made = derived(small_denoiser(), ratio=0.25, steps=2)
    x = pictures(9)
    level = restorer_of(made.denoiser).levels[0]
    assert float(1.0 / level.snr) == pytest.approx(3 * np.mean(x**2), rel=0.05)
    facts = made.facts["timesteps"]
    assert len(facts) == 2
    again = derived(small_denoiser(), True, made.facts, ratio=0.25, steps=2)
    assert again.objective is None
    assert [int(v.t) for v in restorer_of(again.denoiser).levels] == facts


def test_a_composition_is_no_base():
    base = small_denoiser()
    with pytest.raises(InputError, match="one network"):
        derived(split(base, base, snr=1.0))


def test_the_solver_gives_every_seed_the_same(restorer, operator):
    base: Denoiser = Restoring(small_denoiser(), restorer)
    y = operator.forward(pictures(1))
    grid = base.schedule.grid(5)
    made = solve(base, Problem(operator, y), grid, [0, 1], None)
    assert made.shape == (2, *SHAPE)
    np.testing.assert_array_equal(made[0], made[1])


@pytest.mark.parametrize("text", ["compressed:0.3", "box:0.5", "compressed:0.25"])
def test_another_operator_is_refused(restorer, text):
    base = Restoring(small_denoiser(), restorer)
    other = open_operator(text, SHAPE, 4)
    problem = Problem(other, other.forward(pictures(1)))
    with pytest.raises(InputError, match=r"compressed:0.25.*operator_seed=3"):
        solve(base, problem, base.schedule.grid(5), [0], None)


@pytest.mark.slow
def test_a_derived_model_is_trained_resumed_and_restores(
    tiny_run, tmp_path, monkeypatch
):
    """Stopped half-way it ends with the same bits; the command restores with it."""
    config = Settings(iterations=4, batch_size=4, save_every=2, steps=2, warmup=1)
    straight, out = tmp_path / "straight", tmp_path / "stopped"
    assert assemble.derive("idm", tiny_run, straight, config, note=lambda line: None)
    whole = training.run

    def stopped(settings, *others):
        assert whole(replace(settings, iterations=2), *others)
        return Ending.INTERRUPTED

    with monkeypatch.context() as patched:
        patched.setattr(training, "run", stopped)
        assert not assemble.derive("idm", tiny_run, out, config, note=str)
    assert assemble.derive("idm", tiny_run, out, config, note=str)
    wanted = assemble.restore(straight).variables
    found = assemble.restore(out).variables
    for name, variable in wanted.items():
        np.testing.assert_array_equal(variable, found[name], err_msg=name)
    shape = assemble.restore(out).image_shape
    drawn = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    save_png(tmp_path / "picture.png", drawn)
    words = {"model": out, "image": tmp_path / "picture.png", "count": 1}
    words |= {"operator": "compressed:0.1", "out": tmp_path / "restored"}
    main(["prog", "idm", *(f"--{n}={v}" for n, v in words.items())])
    report = json.loads((tmp_path / "restored/report.json").read_text())
    assert report["evaluations"] == 2 and report["solver"] == "idm"
    assert report["consistency"][0] < 1e-5
