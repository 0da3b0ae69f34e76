"""Every method of few steps: killed anywhere it ends with the same bits, and its model
is exported, edits and is evaluated as any other is.
"""

import os
import pickle
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from tiny_runs import make_run

from pdm_tf import assemble
from pdm_tf.assemble import lineage
from pdm_tf.assemble.generators import generator_of
from pdm_tf.config import distillation as settings
from pdm_tf.data.images import save_png
from pdm_tf.editing.__main__ import main as edit
from pdm_tf.evaluation.comparison import CompareConfig, compare
from pdm_tf.serving import SavedModelGenerator

pytestmark = pytest.mark.slow  # a process for each kill; 40 s of processor a method

SHAPE, DDIM = (16, 16, 1), ("ddim", 3)
TRAINED = {"iterations": 6, "batch_size": 4, "save_every": 2, "warmup": 1}
CHOSEN = {**TRAINED, "keep": 2, "validation_images": 4}
CONFIGS = {
    "lcm_lora": settings.LcmLoraConfig(rank=2, **CHOSEN),
    "guidance_lora": settings.GuidanceLoraConfig(
        rank=2, microbatch=2, trajectory_steps=1, **TRAINED
    ),
    "mmd": settings.MMDConfig(
        rank=2, steps=2, reference_images=8, features=3, classifier=1, **CHOSEN
    ),
    "slimflow": settings.SlimFlowConfig(width=4, pairs=104, pair_steps=2, **CHOSEN),
    "spectral": settings.SpectralConfig(width=4, **TRAINED),
    "progressive": settings.ProgressiveConfig(rank=2, **CHOSEN),
}
KEEPING = ("mmd", "slimflow")  # what they found before training is kept
KILLED = """
import os, pickle, signal, sys
from pdm_tf.assemble import derive
from pdm_tf.assemble.progress import Progress
from pdm_tf.training.checkpoints import Checkpoints

where, calls, given = pickle.loads(bytes.fromhex(sys.argv[1]))
kind = {"keep": Progress, "save": Checkpoints}[where]
whole, left = getattr(kind, where), iter(range(calls))

def killed(*given, **more):
    if next(left, None) is None:
        os.kill(os.getpid(), signal.SIGKILL)
    return whole(*given, **more)

setattr(kind, where, killed)
derive(*given)
"""


def kill(where, calls, given):
    """Derives in a process that dies before such a call, after so many others."""
    words = [sys.executable, "-c", KILLED, pickle.dumps((where, calls, given)).hex()]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(words, env=environment, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-2000:]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    network = {"image_shape": SHAPE, "num_classes": 10}
    where = tmp_path_factory.mktemp("students") / "run"
    return make_run(where, 1, ema_every=1, network=network)


@pytest.fixture(scope="module", params=sorted(CONFIGS))
def student(request, base):
    """A method and the directory of what it made."""
    out = base.parent / request.param
    assert assemble.derive(request.param, base, out, CONFIGS[request.param])
    return request.param, out


def test_killed_in_the_middle_and_begun_again_it_ends_with_the_same_bits(student, base):
    name, straight = student
    out = base.parent / f"killed-{name}"
    given = name, base, out, CONFIGS[name]
    if name in KEEPING:  # after the first of what is kept
        kill("keep", 1, given)
        assert not lineage.is_derived(out) and (out / "progress").is_dir()
    kill("save", 1, given)  # at step 4: 2 is kept, and 3 and 4 are computed again
    assert not lineage.is_derived(out)
    kept = {file.name for file in (out / "checkpoints").glob("ckpt-*.index")}
    assert kept == {"ckpt-2.index"}
    assert assemble.derive(*given)
    first, second = (lineage.read(place) for place in (straight, out))
    assert first["sha256"] == second["sha256"]
    assert first["digest"] == second["digest"]
    assert first.get("trained") == second.get("trained")


def test_its_export_samples_what_it_does(student):
    _, out = student
    opened = assemble.open_model(out)
    sampler, steps = opened.denoiser.own_sampler or DDIM
    served = SavedModelGenerator("model", str(assemble.export_run(out)))
    assert served.description["lineage"] == list(opened.lineage)
    asked = np.arange(3), np.arange(3), str(steps), 1.5, sampler
    wanted = generator_of(opened).generate(*asked)
    np.testing.assert_array_equal(served.generate(*asked), wanted)
    assert not np.array_equal(wanted[0], wanted[1])


def test_it_paints_what_is_missing_and_keeps_the_rest(student, tmp_path):
    _, out = student
    picture = np.random.default_rng(0).integers(0, 256, SHAPE, np.uint8)
    mask = np.zeros(SHAPE, np.uint8)
    mask[:8] = 255
    save_png(tmp_path / "picture.png", picture)
    save_png(tmp_path / "mask.png", mask)
    given = {"model": out, "image": tmp_path / "picture.png", "count": 2}
    given |= {"mask": tmp_path / "mask.png", "out": tmp_path / "out", "labels": 3}
    edit(["", "inpaint", *(f"--{name}={value}" for name, value in given.items())])
    made = sorted((tmp_path / "out").glob("0*.png"))
    pictures = [np.asarray(Image.open(file)).reshape(SHAPE) for file in made]
    assert len(pictures) == 2
    for each in pictures:
        np.testing.assert_array_equal(each[8:], picture[8:])
    assert not np.array_equal(pictures[0][:8], pictures[1][:8])


def test_it_is_compared_with_its_base(student, base, tmp_path):
    _, out = student
    config = CompareConfig(
        model=str(out), reference=str(base), num_images=4, steps="3",
        out=str(tmp_path / "c.json"),
    )  # fmt: skip
    found = compare(config, lambda _, path: generator_of(assemble.open_model(path)))
    own, other = found["model"], found["reference"]
    assert own["sampler"] == str(
        (assemble.open_model(out).denoiser.own_sampler or DDIM)[0]
    )
    assert own["steps"] == other["steps"] == "3"
    assert own["evaluations_per_picture"] <= other["evaluations_per_picture"] == 6
