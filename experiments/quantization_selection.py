"""Which layers are worth tuning: QuEST's selections beside Q-Diffusion, from one start.

Learned rounding is the same for all of them, bit for bit, and is done once a seed.
"""

import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from experiments.cached_sampling import Bench
from experiments.quantization_variants import W4A4
from pdm_tf.assemble.methods import open_method
from pdm_tf.assemble.progress import Progress
from pdm_tf.denoisers import Denoiser
from pdm_tf.denoisers.derivation import Context
from pdm_tf.quantization.cost import networks_of
from pdm_tf.quantization.quest import tuned_parameters

SELECTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "q_diffusion W4A4": ("q_diffusion", {}),
    "quest W4A4": ("quest", {}),
    "quest W4A4, time alone": ("quest", {"tuned": "time"}),
    "quest W4A4, both": ("quest", {"tuned": "both"}),
    "quest W4A4, untuned": ("quest", {"tuning_iterations": 0}),
    "quest W4A4, seed 1": ("quest", {"seed": 1}),
    "quest W4A4, seed 2": ("quest", {"seed": 2}),
}
ROUNDED = "network_0.weights."


def make_selection(bench: Bench, work: Path, name: str) -> dict[str, Any]:
    """A model of one selection.

    Returns:
      `denoiser`, seconds of the processor beyond those of rounding that was found
      already, and, of QuEST, the share of the network's parameters that learned.
    """
    method, settings = SELECTIONS[name]
    seed = f"_{settings['seed']}" if "seed" in settings else ""
    shared = Progress(work / bench.data / f"rounding{seed}", lambda: None)
    own = Progress(work / bench.data / name.replace(" ", "_"), lambda: None)

    def place(key: str) -> Progress:
        return shared if key.startswith(ROUNDED) else own

    def keep(key: str, arrays: Mapping[str, Any]) -> None:
        place(key).keep(key, arrays)

    context = Context(
        bench.settings,
        lambda: None,
        note=partial(print, flush=True),
        keep=keep,
        kept=lambda key: place(key).kept(key),
    )
    config = open_method(method).Config(**W4A4, **settings)
    began = time.process_time()
    made = open_method(method).derive(bench.base, config, context).denoiser
    found: dict[str, Any] = {"denoiser": made}
    found["processor_seconds"] = round(time.process_time() - began, 1)
    if method == "quest":
        if not config.tuning_iterations:
            return found | {"tuned": 0.0}
        count = tuned_parameters(networks_of(made)[0].plan, config)
        found["tuned"] = round(count / parameters_of(bench.base), 4)
    return found


def parameters_of(denoise: Denoiser) -> int:
    """How many parameters a model's network has."""
    variables = networks_of(denoise)[0].network.variables
    return sum(int(np.prod(v.shape)) for v in variables)
