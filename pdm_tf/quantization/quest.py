"""QuEST: of a quantised model, the few layers that suffer most learn again.

It starts from Q-Diffusion's codes, with ranges of activations for each group of
timesteps. Then projections of time, attention and the layers that join skips learn
weights and biases, and every layer its ranges, from what the unquantised network
estimates. All other codes stay.
"""

import re
from math import prod

import numpy as np
import tensorflow as tf

from pdm_tf.config.quantization import QuESTConfig as Config
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.derivation import Context, Derivation
from pdm_tf.networks.transforms import LayerPlan, LayerTransform
from pdm_tf.quantization.cost import compare_costs as measure
from pdm_tf.quantization.deriving import Fitting, quantized
from pdm_tf.quantization.layer import QuantizedLayer
from pdm_tf.quantization.min_max import fit_nearest
from pdm_tf.quantization.packing import unpack
from pdm_tf.quantization.q_diffusion import recipe_of, steps_taken
from pdm_tf.quantization.reconstruction import reconstruct_weights
from pdm_tf.quantization.rounding import spread_over_inputs
from pdm_tf.quantization.spec import LayerSpec, spec_of
from pdm_tf.quantization.trained_layer import TrainedLayer
from pdm_tf.quantization.tuning import (
    Learner,
    Trained,
    check_groups,
    tune,
    tuning_of,
)

__all__ = [
    "KIND",
    "PAPER",
    "Config",
    "derive",
    "learner",
    "measure",
    "tuned_parameters",
]

KIND = "quantized"
PAPER = (
    "QuEST: Low-bit Diffusion Model Quantization via Efficient Selective Finetuning, "
    "arXiv 2402.03666"
)
REPORTED = "the first readable pictures of Stable Diffusion with 4 bits of both"
NOT_REPRODUCED = (
    "Stable Diffusion; ranges for each channel; the authors' order, which tunes one "
    "group of timesteps after the other with a new optimiser for its ranges, and has "
    "projections of time learn from their own outputs besides the network's: here each "
    "batch has rows of all groups, and the network's estimate teaches alone"
)
STAGES = {  # the layers whose weights learn, in this order
    "time": r".+/time",
    "attention": r".*attention/(qkv|out)|.*/skip|patches_out",
}
OF_TIME = r".*/time|time_[12]|variance_time"  # ranges that the second stage leaves
WITHIN = 0.49  # of a step: so far from its code a weight starts, at most


class Moved(LayerTransform):
    """A kernel and what it has moved by.

    Args:
      shape: of the kernel.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.change = tf.Variable(tf.zeros(shape), name="change")

    def kernel(self, w: tf.Tensor) -> tf.Tensor:
        return w + tf.cast(self.change, w.dtype)


def stages_of(config: Config) -> list[str]:
    """The stages that a model is tuned in."""
    return [name for name in STAGES if config.tuned in (name, "both")]


def within_codes(layer: QuantizedLayer, kernel: np.ndarray) -> np.ndarray:
    """A kernel moved no further than is needed for nearest codes to be a layer's own.

    Args:
      layer: whose codes may have learned to round another way.
      kernel: what they are of.
    """
    assert layer.spec.weights is not None
    codes = unpack(layer.codes, layer.spec.weights.bits, prod(layer.shape))
    codes = codes.numpy().reshape(layer.shape)
    scale = spread_over_inputs(layer, layer.scale.numpy())
    zero = np.float32(spread_over_inputs(layer, layer.zero.numpy()))
    units = np.clip(kernel / scale + zero, codes - WITHIN, codes + WITHIN)
    return ((units - zero) * scale).astype(np.float32)


def learner(fitting: Fitting, config: Config, stage: str) -> Learner:
    """The layers of a stage under training; of others the ranges, or nothing.

    Args:
      fitting: with a plan whose codes and ranges are found.
      config: rates.
      stage: name of one of `STAGES`.
    """
    plan, trained = {}, {}
    for path, layer in fitting.plan.items():
        chosen = re.fullmatch(STAGES[stage], path) is not None
        kernel = within_codes(layer, fitting.kernel(path)) if chosen else None
        ranges = chosen if stage == "time" else not re.fullmatch(OF_TIME, path)
        above = Moved(layer.shape) if chosen else None
        plan[path] = TrainedLayer(layer, kernel, above, ranges=ranges)
        rates = {"low": config.range_rate, "high": config.range_rate}
        found = dict(plan[path].variables)
        if chosen:
            rates["change"] = config.tuning_rate * float(np.mean(layer.scale.numpy()))
            rates["shift"], found["shift"] = config.bias_rate, layer.shift
        for name, variable in found.items():
            trained[f"{path}:{name}"] = Trained(variable, rates[name])
    return Learner(plan, trained)


def tuned_parameters(plan: LayerPlan, config: Config) -> int:
    """How many numbers learn: weights, biases and ends of ranges, each once."""
    count = 0
    for path, layer in plan.items():
        assert isinstance(layer, QuantizedLayer)
        stages = [s for s in stages_of(config) if re.fullmatch(STAGES[s], path)]
        if stages:
            count += prod(layer.shape) + layer.shape[-1]
        ranges = config.tuned != "time" and not re.fullmatch(OF_TIME, path)
        if layer.spec.activations and (ranges or stages):
            count += 2 * prod(layer.low.shape)
    return count


def fit(fitting: Fitting, config: Config) -> None:
    """Q-Diffusion's codes and ranges of least error; then stage by stage."""
    fit_nearest(fitting, "mse")
    visited = np.unique(fitting.rows.t)[::-1]
    taken = visited[steps_taken(len(visited), config.calibrated_steps)]
    some = fitting.rows.taken(np.isin(fitting.rows.t, taken))
    reconstruct_weights(fitting._replace(rows=some), recipe_of(config))
    count = tuned_parameters(fitting.plan, config)
    share = count / sum(prod(v.shape) for v in fitting.denoise.network.variables)
    fitting.context.note(f"tuning {share:.1%} of the network's parameters")
    how = tuning_of(config, fitting, config.tuning_iterations)
    for stage in stages_of(config):
        plan, trained = learner(fitting, config, stage)
        named = fitting._replace(name=f"{fitting.name}.{stage}")
        tune(named, plan, trained, how)
        for layer in plan.values():
            layer.store()


def derive(base: Denoiser, config: Config, context: Context) -> Derivation:
    """The base in few bits, some of its layers tuned.

    Args:
      base: any composition of denoisers of networks.
      config: bits, calibration, learned rounding and tuning.
      context: of the derivation.

    Raises:
      InputError: see `deriving.quantized`.
      SettingError: settings that there cannot be.
    """
    recipe_of(config)
    check_groups(config.step_groups, config.calibration_steps)
    spec = spec_of(
        config, inner=LayerSpec(split=config.split, steps=config.step_groups)
    )
    tuned = "|".join(STAGES[stage] for stage in stages_of(config))
    return quantized(
        base, config, context, spec.shifted(tuned), lambda f: fit(f, config)
    )
