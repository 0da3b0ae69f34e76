"""Laws of every sampler on the shelf, with every kind of denoiser: all discovered."""

import ast
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from quick import cases
from toys import SHAPE, GaussianToy, MixtureToy

import pdm_tf
from pdm_tf.denoisers import constrained, guided, split
from pdm_tf.samplers import SAMPLERS, sample

SEEDS = [7, 1, 4]
LABELS = [0, 1, 1]
KNOWN = np.float32(0.25)


def plain():
    return MixtureToy()


def conditioned():
    return guided(MixtureToy(shift=0.2), LABELS, weight=2.0, threshold=None)


def parted():
    return split(MixtureToy(), GaussianToy(), snr=0.25)


def held():
    mask = np.zeros(SHAPE, bool)
    mask[:2] = True
    return constrained(MixtureToy(), lambda x: tf.where(mask, x, KNOWN))


KINDS = {"plain": plain, "guided": conditioned, "split": parted, "constrained": held}


def drawn(denoise, sampler, seeds=SEEDS, steps=12):
    grid = MixtureToy().schedule.grid(steps)
    return sample(denoise, sampler, grid, seeds, SHAPE).numpy()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SAMPLERS)
def test_every_pair_walks(name, kind):
    x = drawn(KINDS[kind](), SAMPLERS[name]())
    assert x.shape == (3, *SHAPE)
    assert np.isfinite(x).all()
    assert np.abs(x).max() < 4.0
    assert not np.array_equal(x[0], x[1])
    if kind == "constrained":
        assert (x[:, 2:] == KNOWN).all()


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_seed_is_a_picture_whatever_the_batch(name):
    toy = MixtureToy()
    together = drawn(toy, SAMPLERS[name]())
    for i, seed in enumerate(SEEDS):
        alone = drawn(toy, SAMPLERS[name](), [seed])
        np.testing.assert_allclose(alone[0], together[i], rtol=0, atol=2e-6)


@pytest.mark.parametrize("name", SAMPLERS)
def test_one_trace_for_any_levels_and_number(name):
    toy = MixtureToy()
    drawn(toy, SAMPLERS[name]())
    traces = toy.traces
    drawn(toy, SAMPLERS[name](), range(5), steps=30)
    assert toy.traces == traces


@pytest.mark.parametrize("name", SAMPLERS)
def test_more_guidance_is_data_further_away(name):
    # For normal data a guided estimate is that in data whose mean is w times as far.
    near, far = GaussianToy(shift=0.2), GaussianToy(shift=0.5)
    pushed = guided(near, LABELS, weight=2.5, threshold=None)
    asked = far.conditioned(LABELS)
    x, y = (drawn(denoise, SAMPLERS[name]()) for denoise in (pushed, asked))
    np.testing.assert_allclose(x, y, rtol=0, atol=2e-5)


@pytest.mark.parametrize("name", cases(SAMPLERS, ("ddpm", "dpm_solver", "plms")))
def test_what_changes_nothing_changes_nothing(name):
    toy = MixtureToy(shift=0.2)
    bare = drawn(toy, SAMPLERS[name]())
    same = split(toy, toy, snr=0.25)
    free = constrained(toy, lambda x: x)
    for denoise in (same, free):
        again = drawn(denoise, SAMPLERS[name]())
        np.testing.assert_allclose(again, bare, rtol=0, atol=2e-6)
    once = guided(toy, LABELS, weight=1.0)
    asked = drawn(toy.conditioned(LABELS), SAMPLERS[name]())
    again = drawn(once, SAMPLERS[name]())
    np.testing.assert_allclose(again, asked, rtol=0, atol=2e-6)


@pytest.mark.parametrize("name", cases(SAMPLERS, ("ddim", "heun", "dpm_solver_sde")))
def test_xla_draws_the_same(name):
    toy = MixtureToy()
    grid = toy.schedule.grid(9)

    def draw(compiled):
        return tf.function(
            lambda: sample(toy, SAMPLERS[name](), grid, tf.constant([3, 5]), SHAPE),
            jit_compile=compiled,
            autograph=False,
        )()

    np.testing.assert_allclose(draw(True), draw(False), rtol=0, atol=5e-5)


@pytest.mark.parametrize("name", SAMPLERS)
def test_equal_samplers_are_one(name):
    make = SAMPLERS[name]
    assert make() == make()
    assert hash(make()) == hash(make())


@dataclass(frozen=True)
class Stranger:
    """A sampler that nothing in the package knows: it stays at its first estimate."""

    def init(self, z):
        return {"first": tf.zeros_like(z), "steps": tf.constant(0)}

    def step(self, denoise, z, level, to, state, noise):
        first = tf.where(state["steps"] == 0, denoise(z, level).x, state["first"])
        return first, {"first": first, "steps": state["steps"] + 1}


def test_the_loop_takes_samplers_it_does_not_know():
    toy = GaussianToy()
    x = drawn(toy, Stranger())
    assert x.shape == (3, *SHAPE)
    assert np.isfinite(x).all()


def test_nothing_asks_which_sampler_it_was_given():
    classes = {type(make()).__name__ for make in SAMPLERS.values()}
    for path in Path(pdm_tf.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance":
                names = {part.id for part in ast.walk(node) if hasattr(part, "id")}
                assert not names & classes, f"{path}: {ast.unparse(node)}"
