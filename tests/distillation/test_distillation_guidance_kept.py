"""A model that takes w: trained, stopped, opened, exported, and asked from outside."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from pdm_tf import assemble
from pdm_tf.assemble import lineage
from pdm_tf.assemble.exporting import export_run
from pdm_tf.assemble.generators import generator_of
from pdm_tf.assemble.network_export import export_network
from pdm_tf.config import ExportConfig, InputError, SampleConfig
from pdm_tf.config.distillation import GuidanceLoraConfig
from pdm_tf.config.post_training import TemporalCacheConfig
from pdm_tf.errors import SettingError
from pdm_tf.serving import SavedModelGenerator
from pdm_tf.serving.client import write_samples
from pdm_tf.training.checkpoints import Checkpoints

pytestmark = pytest.mark.slow  # trainings and an export
CONFIG = GuidanceLoraConfig(
    guidance_range=(1.0, 4.0),
    rank=2,
    microbatch=2,
    trajectory_steps=1,
    learning_rate=0.3,  # so that w is seen after so few steps
    ema_every=1,
    iterations=4,
    batch_size=4,
    save_every=2,
    warmup=1,
)
ASKED = np.arange(3), np.arange(3), "6"


@pytest.fixture(scope="module")
def student(tiny_run, tmp_path_factory):
    out = tmp_path_factory.mktemp("range") / "student"
    assert assemble.derive("guidance_lora", tiny_run, out, CONFIG)
    return out


def test_what_model_json_keeps_is_what_is_opened(student):
    opened = assemble.open_model(student)
    assert opened.denoiser.guidance_range == (1.0, 4.0)
    assert opened.denoiser.distilled_guidance == 1.5
    assert opened.settings.sampling.sample_guidance == 1.5
    generator = generator_of(opened)
    first, other = (generator.generate(*ASKED, w, "ddim") for w in (1.5, 4.0))
    assert not np.array_equal(first, other)


def test_stopped_and_begun_again_it_ends_with_the_same_bits(
    student, tiny_run, tmp_path, monkeypatch
):
    save = Checkpoints.save

    def stopped(self, *given, **more):
        made = save(self, *given, **more)
        raise KeyboardInterrupt(made)

    monkeypatch.setattr(Checkpoints, "save", stopped)
    given = "guidance_lora", tiny_run, tmp_path / "out", CONFIG
    with pytest.raises(KeyboardInterrupt):
        assemble.derive(*given)
    monkeypatch.setattr(Checkpoints, "save", save)
    assert not lineage.is_derived(tmp_path / "out")
    assert assemble.derive(*given)
    first, second = (lineage.read(place) for place in (student, tmp_path / "out"))
    assert first["sha256"] == second["sha256"] and first["digest"] == second["digest"]


def test_a_saved_model_takes_w_and_samples_what_python_does(student, tmp_path):
    export = export_run(student, tmp_path / "export", samplers=["ddim"])
    served = SavedModelGenerator("model", str(export))
    python = generator_of(assemble.open_model(student))
    assert served.description["guidance_range"] == [1.0, 4.0]
    drawn = []
    for w in (1.5, 4.0):
        drawn.append(served.generate(*ASKED, w, "ddim").astype(int))
        off = np.abs(drawn[-1] - python.generate(*ASKED, w, "ddim"))
        # One step of rounding to bytes, at most: constants are folded differently.
        assert off.max() <= 1 and np.mean(off > 0) < 0.01
    assert np.abs(drawn[0] - drawn[1]).max() > 1
    with pytest.raises(InputError, match="from 1 to 4"):
        served.generate(*ASKED, 7.0, "ddim")


def test_what_does_not_take_w_is_refused_in_one_line(student, tmp_path):
    samples = SampleConfig(num_images=1, guidance=7.0, out_dir=str(tmp_path / "s"))
    cases = [
        ("guidance=7.0", lambda: write_samples(_opened(student), samples)),
        ("format=litert", lambda: export_network(_to("litert", student), {})),
        ("base=", lambda: _quantized(student, tmp_path / "quantized")),
    ]
    for words, call in cases:
        with pytest.raises(SettingError, match=f"^{words}") as error:
            call()
        assert "\n" not in str(error.value)
    assert not (tmp_path / "s").exists() and not (tmp_path / "quantized").exists()


def test_a_cache_of_it_takes_w_too(student, tmp_path):
    from pdm_tf.config.acceleration import DeepCacheConfig

    cached = tmp_path / "cached"
    assert assemble.derive("deepcache", student, cached, DeepCacheConfig(every=2))
    generator = generator_of(assemble.open_model(cached))
    first, other = (generator.generate(*ASKED, w, "ddim") for w in (1.5, 4.0))
    assert not np.array_equal(first, other)


def _opened(place):
    return generator_of(assemble.open_model(place))


def _to(form, place):
    copied = shutil.copytree(place, f"{place}-{form}", dirs_exist_ok=True)
    return replace(ExportConfig(), model=str(copied), format=form)


def _quantized(place, out):
    return assemble.derive("temporal_cache", place, out, TemporalCacheConfig())
