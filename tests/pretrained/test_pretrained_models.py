"""The models that ship: small, whole, with a card, and good at what they say."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from pdm_tf import assemble, pretrained
from pdm_tf.assemble.state import build_learner
from pdm_tf.config import TrainingConfig
from pdm_tf.errors import InputError, SettingError
from pdm_tf.evaluation import metrics
from pdm_tf.storage.arrays import ArrayFile

MODELS = [f"pretrained:{name}" for name in pretrained.names()]


def size_of(*names):
    files = [f for n in names for f in pretrained.locate(f"pretrained:{n}").iterdir()]
    return sum(file.stat().st_size for file in files)


def test_all_came_along_and_are_small():
    assert pretrained.names() == ["emoji", "mnist", "photos"]
    assert size_of("mnist", "photos") <= 16e6


def test_emoji_are_small():
    assert size_of("emoji") <= 12e6


@pytest.mark.parametrize("model", MODELS)
def test_a_model_is_complete(model):
    folder = pretrained.locate(model)
    card = (folder / "card.md").read_text("utf-8")
    for word in (model, "Data", "Licence", "samples.png", "Fréchet distance", "SQNR"):
        assert word in card
    opened = assemble.open_model(model)
    flagfile = Path("configs") / f"{folder.name}.flags"
    given = [line for line in flagfile.read_text().splitlines() if line[:2] == "--"]
    record = (folder / "config.flags").read_text().splitlines()
    own = {"--run_dir", "--iterations"}
    assert not [g for g in given if g.split("=")[0] not in own and not in_(g, record)]
    assert assemble.settings_of(model) == opened.settings and opened.lineage == ()
    stored = ArrayFile(folder / "weights.safetensors").stored
    assert set(stored.values()) == {np.dtype(np.float16)}


def in_(line, record):
    """Whether a flag has this value in a record, however the number is written."""
    name, _, value = line.partition("=")
    (found,) = [r.partition("=")[2] for r in record if r.startswith(f"{name}=")]
    try:
        return float(found) == float(value)
    except ValueError:
        return found == value


def test_digits_are_read_as_the_class_asked():
    generator = assemble.open_generator("model", "pretrained:mnist")
    seeds = np.arange(50, dtype=np.int32)
    pictures = generator.generate(seeds, seeds % 10, "20", 1.5, "dpm_solver_sde")
    assert metrics.accuracy(pictures, seeds % 10) >= 0.94


def test_a_name_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(SettingError, match="pretrained:mnist, pretrained:photos"):
        assemble.open_model("pretrained:mnits")


def test_a_training_starts_from_one(tmp_path):
    model = "pretrained:mnist"
    settings = assemble.settings_of(model)

    def started(**changes):
        training = TrainingConfig(run_dir=str(tmp_path / "run"), init_from=model)
        network = replace(settings.network, **changes)
        config = replace(settings, training=training, network=network)
        return build_learner(config, tf.distribute.get_strategy())

    source = assemble.restore(model).variables
    for name, variable in started().variables.items():
        np.testing.assert_array_equal(variable, source[name])
    with pytest.raises(InputError, match=r"another network: unet/\S+ saved \["):
        started(width=16)
