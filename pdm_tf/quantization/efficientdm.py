"""EfficientDM: a quantised model is tuned without pictures, by adapters that merge.

An adapter's product is added to the weights before they are rounded, so that nothing
of it remains beside the codes (QALoRA). Adapters learn at rates that go with each
layer's step, and every group of timesteps has ranges of activations of its own (TALSQ).
The unquantised model's own trajectories are all the data.
"""

from dataclasses import replace

import numpy as np

from pdm_tf.adapters.lora import lora_plan
from pdm_tf.config.quantization import EfficientDMConfig as Config
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.derivation import Context, Derivation
from pdm_tf.networks.transforms import layers_of
from pdm_tf.quantization.cost import compare_costs as measure
from pdm_tf.quantization.deriving import Fitting, quantized
from pdm_tf.quantization.min_max import fit_nearest
from pdm_tf.quantization.spec import LayerSpec, QuantizationSpec, spec_of
from pdm_tf.quantization.trained_layer import TrainedLayer
from pdm_tf.quantization.tuning import Learner, Trained, check_groups, tune, tuning_of

__all__ = ["KIND", "PAPER", "Config", "derive", "learner", "measure"]

KIND = "quantized"
PAPER = (
    "EfficientDM: Efficient Quantization-Aware Fine-Tuning of Low-Bit Diffusion "
    "Models, arXiv 2310.03270"
)
# Layers around blocks and between levels, which the authors' code does not quantise.
BESIDE = r".*/skip|down_\d+_sample/conv"
REPORTED = (
    "LDM-4 on ImageNet with 4 bits of both: sFID higher by 0.05, tuned 16.2 times "
    "faster than by quantisation-aware training"
)
NOT_REPRODUCED = (
    "arithmetic of 4 bits; the paper's walk, which takes one step of a trajectory at a "
    "time and the error of guided estimates: here each batch has rows of all steps and "
    "the errors of labelled and unlabelled ones"
)


def learner(fitting: Fitting, config: Config) -> Learner:
    """Every layer of a plan under training, from its codes on.

    Args:
      fitting: with a plan whose weights and ranges are found.
      config: rank and rates.
    """
    network = fitting.denoise.network
    adapters = lora_plan(network, config.rank, config.seed)
    layers = layers_of(network)
    plan, trained = {}, {}
    for path, layer in fitting.plan.items():
        kernel = above = None
        if layer.spec.weights and layer.shape:
            # What the codes stand for: no weight of the base is needed any more.
            kernel = np.asarray(layer.kernel(layers[path].kernel.value))
            above = adapters[path]
        plan[path] = TrainedLayer(layer, kernel, above, scales=True)
        step = float(np.mean(layer.scale.numpy())) if kernel is not None else 0.0
        rates = {
            "a": config.adapter_rate * step,
            "b": config.adapter_rate * step,
            "log_scale": config.scale_rate,
            "low": config.range_rate,
            "high": config.range_rate,
        }
        for name, variable in plan[path].variables.items():
            trained[f"{path}:{name}"] = Trained(variable, rates[name])
    return Learner(plan, trained)


def fit(fitting: Fitting, config: Config) -> None:
    """Ranges of least error; then all layers learn at once, and are merged."""
    fit_nearest(fitting, "mse")
    plan, trained = learner(fitting, config)
    tune(fitting, plan, trained, tuning_of(config, fitting, config.iterations))
    for layer in plan.values():
        layer.store()


def rules(config: Config) -> QuantizationSpec:
    """What is quantised: layers that the authors' code leaves as they are have at least
    `outer_bits`, and both halves of what skips read ranges of their own."""
    found = spec_of(config, inner=LayerSpec(steps=config.step_groups, split=True))
    outer = found.of("patches_in")
    assert outer is not None
    return QuantizationSpec(((BESIDE, replace(outer, split=True)), *found.rules))


def derive(base: Denoiser, config: Config, context: Context) -> Derivation:
    """The base in few bits, tuned as a whole.

    Args:
      base: any composition of denoisers of networks.
      config: bits, calibration and tuning.
      context: of the derivation.

    Raises:
      InputError: see `deriving.quantized`.
      SettingError: settings that there cannot be.
    """
    check_groups(config.step_groups, config.calibration_steps)
    return quantized(base, config, context, rules(config), lambda f: fit(f, config))
