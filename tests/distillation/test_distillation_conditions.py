"""Students of a base that knows several labels and attributes of a picture."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tiny_models import SHAPE, small_network
from tiny_runs import make_run

from pdm_tf import assemble
from pdm_tf.assemble.generators import generator_of
from pdm_tf.assemble.methods import open_method
from pdm_tf.config import Config, InputError, SamplingConfig
from pdm_tf.config import distillation as settings
from pdm_tf.denoisers import NetworkDenoiser
from pdm_tf.denoisers.each_guidance import each_guided
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.diffusion import NoiseSchedule
from pdm_tf.distillation import METHODS

STEP = tf.constant(5, tf.int64)
ROWS = np.float32([[1, 0, 0, 30], [0, 1, 1, 80], [np.nan, np.nan, np.nan, 10]])
CONFIGS = {
    "guidance_lora": settings.GuidanceLoraConfig(rank=2, trajectory_steps=0),
    "lcm_lora": settings.LcmLoraConfig(rank=2),
    "progressive": settings.ProgressiveConfig(rank=2),
    "spectral": settings.SpectralConfig(width=4, spatial=0.0, frequency=0.0),
}
FLOW = settings.SlimFlowConfig(width=4, pairs=6, pair_steps=2, label_dropout=0.0)


class Pictures:
    """A source of three, whose conditions are known."""

    def __len__(self):
        return len(ROWS)

    def read(self, chosen):
        return np.zeros([len(chosen), *SHAPE], np.uint8), ROWS[chosen]


@pytest.fixture(scope="module")
def base():
    network = small_network(attributes=("age:0:100",), several_labels=True)
    return NetworkDenoiser(network, NoiseSchedule.linear(50))


def derive(base, name, config):
    context = SimpleNamespace(
        settings=Config(sampling=SamplingConfig(guidance_each=("age=2",))),
        restoring=False,
        open_source=Pictures,
        kept=lambda name: None,
        keep=lambda name, arrays: None,
    )
    return open_method(name).derive(base, config, context)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_class_is_its_row_in_every_loss_and_what_is_dropped_is_unknown(base, name):
    objective = derive(base, name, CONFIGS[name]).objective
    x = tf.random.stateless_uniform([4, *SHAPE], (1, 2), -1.0, 1.0)
    draws = objective.draw(0, STEP, 4)
    kept, lost = (draws._replace(drop=tf.fill([4], u)) for u in (0.99, 0.0))
    classes, nan = tf.constant([0, 2] * 2), float("nan")
    rows = tf.constant([[1.0, 0, 0, nan], [0, 0, 1, nan]] * 2)
    known = tf.constant([[1.0, 0, 0, 30], [0, 1, 1, 80]] * 2)
    by_class = objective(x, classes, kept).total.numpy()
    np.testing.assert_array_equal(objective(x, rows, kept).total, by_class)
    others = objective(x, known, kept)
    assert np.isfinite(others.total).all() and others.bucket.dtype == tf.int32
    assert np.abs(others.total - by_class).min() > 0
    nothing = objective(x, tf.fill([4, 4], nan), kept).total
    np.testing.assert_array_equal(objective(x, known, lost).total, nothing)


def test_pairs_are_of_the_conditions_of_pictures_that_teach(base):
    objective = derive(base, "slimflow", FLOW).objective
    np.testing.assert_array_equal(objective.pairs.labels, np.tile(ROWS, (2, 1)))
    x = tf.zeros([2, *SHAPE])
    loss = objective(x, tf.constant(ROWS[:2]), objective.draw(0, STEP, 2))
    assert np.isfinite(loss.total).all()


def test_a_student_is_guided_once_and_mmd_says_what_else_there_is(base):
    made = derive(base, "lcm_lora", CONFIGS["lcm_lora"])
    assert made.sampling["guidance_each"] == ()
    assert made.facts["distilled"]["guidance"] == 1.5
    with pytest.raises(InputError, match=r"guidance_each=age=2: .*by itself"):
        each_guided(made.denoiser, ("age=2",))
    with pytest.raises(InputError, match=r"attributes or several.*lcm_lora") as error:
        derive(base, "mmd", settings.MMDConfig())
    assert "\n" not in str(error.value)
    asked = for_sampling(made.denoiser, ROWS, 4.0, Config().sampling)
    assert asked.weight == 1.0


TRAINED = {"iterations": 6, "batch_size": 4, "save_every": 6, "warmup": 1}
TRAINED |= {"ema_every": 1, "ema_decay": 0.0, "learning_rate": 1e-2}
CHOSEN = {**TRAINED, "validation_images": 4, "keep": 1}
TRIED = {
    "guidance_lora": settings.GuidanceLoraConfig(
        rank=2, microbatch=2, trajectory_steps=1, guidance_range=(1.0, 3.0), **TRAINED
    ),
    "idm": settings.IDMConfig(**TRAINED),
    "lcm_lora": settings.LcmLoraConfig(rank=2, **CHOSEN),
    "progressive": settings.ProgressiveConfig(rank=2, **CHOSEN),
    "slimflow": settings.SlimFlowConfig(width=4, pairs=8, pair_steps=2, **CHOSEN),
    "spectral": settings.SpectralConfig(width=4, **TRAINED),
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Of a folder of four pictures, with random weights."""
    folder = tmp_path_factory.mktemp("conditions")
    lines = ["file_name,age,labels"]
    for i, labels in enumerate(("cat", "dog", "cat;dog", "")):
        Image.new("L", (8, 8), 60 * i).save(folder / f"{i}.png")
        lines.append(f"{i}.png,{30 * i},{labels}")
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n")
    network = {"num_classes": 2, "several_labels": True, "attributes": ("age:0:100",)}
    data = {"dataset": f"folder:{folder}"}
    where = tmp_path_factory.mktemp("students") / "run"
    return make_run(where, 1, network=network, data=data)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(METHODS) - {"mmd"}))
def test_a_student_of_a_run_samples_by_its_conditions(name, run, tmp_path):
    assert assemble.derive(name, run, tmp_path / "out", TRIED[name])
    generator = generator_of(assemble.open_model(tmp_path / "out"))
    rows = np.float32([[1, 1, 0], [1, 1, 100], [1, 1, 100]])
    made = generator.generate(np.int32([0, 0, 0]), rows, "2", 1.5, "ddim")
    np.testing.assert_array_equal(made[1], made[2])
    assert made.dtype == np.uint8 and not np.array_equal(made[0], made[1])
