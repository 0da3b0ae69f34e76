"""A training that is carried to an accelerator is the one that stays at home."""

import json

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.accelerator import carrying, steps
from pdm_tf import assemble, flags
from pdm_tf.assemble import open_model
from pdm_tf.assemble.state import build_learner
from pdm_tf.config import Config
from pdm_tf.training.train_loop import Ending
from tests.tiny_runs import SMALLEST

STEPS = 6


def settings(place, *more):
    """Of six steps of a tiny network on digits."""
    words = [*SMALLEST.split(), f"--run_dir={place}", f"--iterations={STEPS}"]
    words += ["--ema_every=2", "--warmup=2", *more]
    (config,) = flags.parse(["", *words], Config)
    return config


def learnt(place, config):
    """What a run has added to its first weights, in one row."""
    first = build_learner(config, tf.distribute.get_strategy()).variables
    last = open_model(str(place)).denoiser.variables
    changes = [last[name].numpy() - first[name].numpy() for name in sorted(last)]
    return np.concatenate([change.ravel() for change in changes])


def there(pack):
    """Packs, and takes the steps as they are taken there, from what was packed."""

    def packed(folder, trainer, batches, iterations, exact):
        pack(folder, trainer, batches, iterations, exact)
        about = json.loads((folder / "about.json").read_text())
        given = [steps.value_of(a, folder.parent, 0) for a in about["arguments"]]
        made = carrying.steps_graph(trainer, batches, about["at_once"], iterations)
        if exact:
            for value, own in zip(given[3:], made.values(), strict=True):
                np.testing.assert_array_equal(value, own)
        rows = [made.function(*given[:3]).numpy() for _ in range(about["calls"])]
        values = dict(enumerate(made.values(), 3))
        kept = {str(i): values[i] for i in about["kept"]}
        np.savez(folder / "result.npz", metrics=rows, **kept)

    return packed


@pytest.mark.slow
@pytest.mark.parametrize("more", [(), ("--horizontal_flip", "--ema_decays=0.5")])
def test_averages_are_those_of_a_training_at_home(more, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(carrying, "pack", there(carrying.pack))
    config = settings(tmp_path / "carried", *more)
    with carrying.carried("pack", tmp_path / "packed" / "run", exact=True):
        assert assemble.train(config) is Ending.INTERRUPTED
    with carrying.carried("take_back", tmp_path / "packed" / "run"):
        assert assemble.train(config)
    assert f"step {STEPS}: loss" in capsys.readouterr().out
    for name, own in (("home", ()), ("other", ("--seed=1",))):
        assert assemble.train(settings(tmp_path / name, *more, *own))
    carried, home, other = (
        learnt(tmp_path / name, config) for name in ("carried", "home", "other")
    )
    # Adam makes steps of what is rounding alone, as in a bias before a normalisation.
    assert np.linalg.norm(carried - home) < 0.1 * np.linalg.norm(home)
    assert np.linalg.norm(other - home) > np.linalg.norm(home)


@pytest.mark.slow
def test_what_ends_early_is_not_taken_for_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr(carrying, "pack", there(carrying.pack))
    config = settings(tmp_path / "run")
    folder = tmp_path / "packed" / "run"
    with carrying.carried("pack", folder):
        assemble.train(config)
    with np.load(folder / "result.npz") as result:
        kept = dict(result)
    step = next(name for name in kept if kept[name].ndim == 0)
    np.savez(folder / "result.npz", **{**kept, step: np.int64(STEPS - 2)})
    with (
        carrying.carried("take_back", folder),
        pytest.raises(SystemExit, match=f"step {STEPS - 2} of {STEPS}"),
    ):
        assemble.train(config)


def test_drawn_weights_are_told_from_trained_ones():
    rng = np.random.default_rng(0)
    even = rng.uniform(-0.3, 0.3, [40, 50]).astype(np.float32)
    assert carrying.is_drawn(even)
    assert not carrying.is_drawn(even[:4])  # too few to tell
    assert not carrying.is_drawn(rng.standard_normal([40, 50]).astype(np.float32))
    assert not carrying.is_drawn(np.abs(even))


def test_the_same_draw_gives_the_same_weights(tmp_path):
    about = {"uniform": 0.5, "draw": 3, "shape": [30, 40], "dtype": "float32"}
    value = steps.value_of(about, tmp_path, 1)
    np.testing.assert_array_equal(value, steps.value_of(about, tmp_path, 1))
    assert np.any(value != steps.value_of({**about, "draw": 4}, tmp_path, 1))
    assert np.any(value != steps.value_of(about, tmp_path, 2))
    assert carrying.is_drawn(value) and np.abs(value).max() <= 0.5
