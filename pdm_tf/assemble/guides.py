"""A run inside of another model: built from its record, its weights come after."""

from pdm_tf import flags
from pdm_tf.assemble.building import build_denoiser
from pdm_tf.config import Config
from pdm_tf.denoisers.denoiser import Denoiser


def build_run(record: str) -> Denoiser:
    """The denoiser that a run's record describes, its weights freshly drawn."""
    words = [line for line in record.splitlines() if line.startswith("--")]
    (settings,) = flags.parse(["", *words], Config)
    return build_denoiser(settings)
