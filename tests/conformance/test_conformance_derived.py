"""Every method of every room: what it makes is again a model, and stays the same.

A new method is found by itself. Where its defaults do not suit a tiny base it gets a
line in SETTINGS.
"""

import importlib
import importlib.util
from dataclasses import fields
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from tiny_runs import make_run, sampled
from toy_methods import METHODS as TOYS
from toy_methods import ShiftConfig

from pdm_tf import assemble
from pdm_tf.assemble import deriving, lineage, methods, models
from pdm_tf.assemble.generators import generator_of
from pdm_tf.config import InputError
from pdm_tf.denoisers import Derivation
from pdm_tf.serving import SavedModelGenerator
from pdm_tf.storage.arrays import read_arrays

QUICK = {"iterations": 2, "batch_size": 4, "save_every": 2, "warmup": 1}
QUICK |= {"calibration_images": 2, "calibration_steps": 3, "activation_iterations": 1}
SETTINGS: dict[str, dict] = {  # of a method: those that suit a tiny base
    "efficientdm": {"step_groups": 3, "rank": 2},
    "quest": {"step_groups": 3, "tuning_iterations": 1, "tuned": "both"},
    "guidance_lora": {"rank": 2, "microbatch": 2, "trajectory_steps": 1},
    "classifier": {"width": 4},
    "minority": {"classes": 3, "pictures": 6, "draws": 1, "width": 4},
    "svdquant": {"smoothing": False, "rounds": 1},
    "mixdq": {"sensitivity_rows": 2, "sensitivity_images": 1, "sensitivity_steps": 1},
    "lcm_lora": {"rank": 2, "keep": 1},
    "idm": {"steps": 2},
    "mmd": {"rank": 2, "keep": 1, "steps": 2, "reference_images": 4, "features": 3},
    "slimflow": {"width": 4, "keep": 1, "pairs": 4, "pair_steps": 2},
    "spectral": {"width": 4},
    "temporal_cache": {"cached_steps": (5, 6)},
    "progressive": {"rank": 2, "keep": 1},
}
FOUND = {**methods.method_paths(), **dict.fromkeys(TOYS, "")}
STEPS, SAMPLER = "5", "ddim"

open_found = methods.open_method


def opened_method(name):
    return TOYS[name] if name in TOYS else open_found(name)


def config_of(name, base):
    config = opened_method(name).Config
    known = {field.name for field in fields(config)}
    given = {n: v for n, v in QUICK.items() if n in known} | SETTINGS.get(name, {})
    if "adapter" in known:
        given["adapter"] = (str(vector(base)),)
    if "guide" in known:
        given["guide"] = str(worse(base))
    return config(**given)


def vector(base):
    """An adapter to be added to others, trained on the base."""
    out = base.parent / "vector"
    assert derive("lcm_lora", base, out, config_of("lcm_lora", base))
    return out


def worse(base):
    """Another run of the base's shape and process, to guide it."""
    out = base.parent / "worse"
    if out.exists():
        return out
    network = {"num_classes": 10, "channel_multipliers": (1.0, 1.0)}
    process = {"process": assemble.settings_of(base).diffusion.process}
    return make_run(out, 5, ema_every=1, network=network, diffusion=process)


@pytest.fixture(scope="module")
def recorded():
    """While entered, toys are methods too, and what `derive` returned is kept."""
    made: dict[str, Derivation] = {}

    def open_method(name):
        method = opened_method(name)

        def derive(base, config, context):
            derivation = method.derive(base, config, context)
            if context.restoring:
                return derivation
            made[name] = derivation
            return derivation._replace(finish=partial(finish, name, derivation))

        def finish(name, derivation):
            if derivation.finish is None:
                return derivation.denoiser
            made[name] = derivation._replace(denoiser=derivation.finish())
            return made[name].denoiser

        return SimpleNamespace(**{**vars(method), "derive": derive})

    with pytest.MonkeyPatch.context() as patched:
        for module in (deriving, models):
            patched.setattr(module, "open_method", open_method)
        yield made


@pytest.fixture(scope="module")
def base(tiny_run, recorded):
    return tiny_run


@pytest.fixture(scope="module")
def adapted(base):
    """The base with an adapter, on which everything may stand."""
    out = base.parent / "adapted"
    assert derive("shift", base, out, ShiftConfig(0.1))
    return out


# Whose layers are like those of another method that is tried: that one is quick.
ALIKE = {"min_max", "ptq4dm", "q_diffusion", "dgq", "low_bit_float", "mixdq"}
ALIKE |= {"binarydm", "tfmq_dm", "eda_dm", "efficientdm", "quest", "mmd"}
ALIKE |= {"slimflow", "lcm_lora", "add", "progressive", "temporal_cache"}
ALIKE |= {"apg", "rescale", "idm"}
# Which take seconds each; their own tests are quick.
DEAR = {"classifier", "minority", "spectral", "encoder_propagation"}
SHELVED = [
    pytest.param(name, marks=[pytest.mark.slow] * (name in ALIKE | DEAR))
    for name in sorted(set(FOUND) - set(TOYS))
]


@pytest.fixture(scope="module", params=SHELVED)
def derived(request, base, recorded):
    """Name, directory, and what `derive` made, of a method applied to the base."""
    out = base.parent / request.param
    before = fingerprint(base)
    assert derive(request.param, base, out, config_of(request.param, base))
    assert fingerprint(base) == before
    return request.param, out, recorded[request.param].denoiser


def derive(name, base, out, config):
    return assemble.derive(name, base, out, config, note=lambda line: None)


def fingerprint(path):
    opened = assemble.open_model(path)
    return lineage.fingerprint(opened.denoiser, opened.lineage)


def pictures_of(generator):
    return generator.generate(np.arange(3), np.arange(3), STEPS, 1.5, SAMPLER)


def test_what_is_opened_is_what_was_made_bit_for_bit(derived):
    _, out, made = derived
    opened = assemble.restore(out)
    assert made.variables.keys() == opened.variables.keys()
    np.testing.assert_array_equal(sampled(opened), sampled(made))


REPLACED = {"spectral", "slimflow"}  # whose model has nothing of its base


def test_only_what_was_added_is_stored(derived, base):
    name, out, made = derived
    entry = lineage.read(out)
    size = 0
    if entry["weights"]:
        stored = read_arrays(out / entry["weights"], entry["sha256"])
        size = sum(array.nbytes for array in stored.values())
        for key, array in stored.items():
            np.testing.assert_array_equal(made.variables[key], array)
    whole = sum(v.numpy().nbytes for v in made.variables.values())
    below = {} if name in REPLACED else assemble.restore(base).variables
    assert size == whole - sum(v.numpy().nbytes for v in below.values())


@pytest.fixture
def stack(derived, adapted, base):
    """A model of the method on top of the adapter."""
    name, out, _ = derived
    stack = out.parent / f"{name}_on_adapter"
    assert derive(name, adapted, stack, config_of(name, base))
    return assemble.open_model(stack)


def test_it_stands_on_an_adapter(derived, stack):
    name, *_ = derived
    assert [entry["method"] for entry in stack.lineage] == ["shift", name]


@pytest.mark.slow  # tests/test_stacked.py exports one stack in the quick set
def test_what_stands_on_an_adapter_is_exported_with_its_chain(stack):
    export = assemble.export_run(stack.path, samplers=[SAMPLER])
    served = SavedModelGenerator("model", str(export))
    assert served.description["lineage"] == list(stack.lineage)
    found, wanted = pictures_of(served), pictures_of(generator_of(stack))
    np.testing.assert_array_equal(found, wanted)


def test_a_base_with_other_weights_is_refused(derived, base):
    _, out, _ = derived
    other = base.parent / "other"
    if not other.exists():
        make_run(other, 2, network={"num_classes": 10})
    entry = lineage.read(out)
    changed = entry | {"base": entry["base"] | {"path": "../other"}}
    moved = out.parent / f"{out.name}_on_other"
    moved.mkdir()
    lineage.write(moved, changed)
    with pytest.raises(InputError, match="other weights or settings"):
        assemble.open_model(moved)


# --- the shelves ----------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(methods.method_paths()))
def test_a_method_exports_what_every_method_does(name):
    method = methods.open_method(name)
    assert any(method.KIND in kinds for kinds in methods.ORDER)
    assert method.PAPER.strip() and callable(method.derive)
    assert all(field.metadata["help"] for field in fields(method.Config))


WITH_METHODS = {path.split(".")[1] for path in methods.method_paths().values()}


@pytest.mark.parametrize(
    "room", sorted(WITH_METHODS | {"acceleration", "distillation"})
)
def test_a_rooms_command_knows_its_methods(room):
    known = importlib.import_module(f"pdm_tf.{room}").METHODS
    listed = importlib.import_module(f"pdm_tf.config.{room}").METHODS
    assert listed.keys() == known.keys()
    for name, config in listed.items():
        assert methods.open_method(name).Config is config


def test_no_two_rooms_have_a_method_of_one_name():
    rooms = []
    for room in methods.ROOMS:
        if importlib.util.find_spec(f"pdm_tf.{room}"):
            module = importlib.import_module(f"pdm_tf.{room}")
            rooms += getattr(module, "METHODS", {})
    assert len(rooms) == len(set(rooms))
