"""Methods stack: a distilled, cached, exported model is still the same model."""

import json
import subprocess
import sys

import numpy as np
import pytest

from pdm_tf import assemble
from pdm_tf.assemble.exporting import export_run
from pdm_tf.assemble.generators import generator_of
from pdm_tf.config import InputError
from pdm_tf.config.acceleration import DeepCacheConfig
from pdm_tf.config.distillation import GuidanceLoraConfig

DISTILLED = GuidanceLoraConfig(
    iterations=2,
    batch_size=4,
    save_every=2,
    warmup=1,
    rank=2,
    microbatch=2,
    trajectory_steps=1,
)
# A program that knows TensorFlow alone.
SERVED = """
import json, sys
sys.modules["keras"] = None
import numpy as np, tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
drawn = model.signatures["sample_ddim"](
    seeds=tf.range(3), labels=tf.range(3), steps=tf.constant(6),
    guidance=tf.constant(1.5),
)
np.save(sys.argv[2], drawn["images"].numpy())
print(model.signatures["config"]()["config"].numpy().decode())
"""


def derive(name, base, out, config):
    return assemble.derive(name, base, out, config, note=lambda line: None)


def test_distilled_then_cached_then_exported_is_the_python_path(tiny_run, tmp_path):
    distilled, cached = tmp_path / "distilled", tmp_path / "cached"
    assert derive("guidance_lora", tiny_run, distilled, DISTILLED)
    assert derive("deepcache", distilled, cached, DeepCacheConfig(every=2))
    model = generator_of(assemble.open_model(cached))
    wanted = model.generate(np.arange(3), np.arange(3), "6", 1.5, "ddim")
    plain = generator_of(assemble.open_model(distilled))
    other = plain.generate(np.arange(3), np.arange(3), "6", 1.5, "ddim")
    assert np.abs(wanted.astype(int) - other).max() > 0  # the cache is at work
    export = export_run(cached, tmp_path / "export")
    found = subprocess.run(
        [sys.executable, "-c", SERVED, str(export), str(tmp_path / "drawn.npy")],
        capture_output=True,
        text=True,
        check=True,
    )
    # One step of rounding to bytes, at most: constants are folded differently.
    drawn = np.load(tmp_path / "drawn.npy").astype(int)
    assert np.abs(drawn - wanted).max() <= 1 and np.mean(drawn != wanted) < 0.01
    lineage = json.loads(found.stdout.splitlines()[-1])["lineage"]
    assert [entry["method"] for entry in lineage] == ["guidance_lora", "deepcache"]
    with pytest.raises(InputError, match="the order is"):
        derive("guidance_lora", cached, tmp_path / "no", DISTILLED)
