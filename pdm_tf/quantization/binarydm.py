"""BinaryDM: weights of one bit and activations of four, by training.

Weights are signs with a scale for each output channel; in the two finest levels there
are two such bases, and at first in all layers (LMB). Besides to denoise, the network
learns to have the features of the unquantised one, on their principal axes (LRM).
"""

from functools import partial

import numpy as np
import tensorflow as tf

from pdm_tf.config.quantization import BinaryDMConfig as Config
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.derivation import Context, Derivation
from pdm_tf.denoisers.network import NetworkDenoiser
from pdm_tf.errors import InputError, SettingError
from pdm_tf.networks.transforms import LayerPlan, stacked
from pdm_tf.networks.watching import watching_blocks
from pdm_tf.objectives.feature_distillation import FeatureDistillation, principal_axes
from pdm_tf.quantization.binary_layer import BinaryLayer, TrainedBinary
from pdm_tf.quantization.cost import compare_costs, networks_of
from pdm_tf.quantization.deriving import Fitting, network_of, quantized
from pdm_tf.quantization.observing import call_eagerly, observe
from pdm_tf.quantization.spec import (
    ATTENTION,
    OUTER,
    LayerSpec,
    NumberFormat,
    QuantizationSpec,
    format_of,
)

__all__ = ["KIND", "PAPER", "Config", "derive", "measure"]

KIND = "quantized"
PAPER = (
    "BinaryDM: Accurate Weight Binarization for Efficient Diffusion Models, "
    "arXiv 2404.05662"
)
REPORTED = "27.1 times smaller and 16.0 times fewer operations, counted, with W1A4"
NOT_REPRODUCED = (
    "kernels of one bit; 200,000 steps at a rate of 2e-5; weights of the outer layers "
    "and norms stay as they are, and each binary layer has a shift for its bias"
)
FINEST = r"(down|up)_[01]_.*"  # with two bases
AXES = 64  # rows of calibration that principal axes are found on
Plan = dict[str, TrainedBinary]


def spec_of(config: Config) -> QuantizationSpec:
    """Which layers are binary; the outer ones and attention's factors are not.

    Raises:
      SettingError: bits that there is no format of.
    """
    if config.weight_bits != 1:
        raise SettingError("weight_bits", config.weight_bits, "binarydm has 1 bit")
    if config.bases not in (1, 2):
        raise SettingError("bases", config.bases, "choose 1 or 2")
    read = format_of("activation_bits", config.activation_bits, "symmetric")
    none = LayerSpec()
    fine, deep = (
        LayerSpec(NumberFormat(bases, "binary"), read) for bases in (config.bases, 1)
    )
    rules = ((OUTER, none), (ATTENTION, none), (FINEST, fine), (r".*", deep))
    return QuantizationSpec(rules)


def _make_layer(path: str, shape: tuple[int, ...], spec: LayerSpec) -> BinaryLayer:
    return BinaryLayer(shape, spec)


def derive(base: Denoiser, config: Config, context: Context) -> Derivation:
    """The base with binary weights, and what trains them.

    Args:
      base: a composition of denoisers of one network.
      config: bits, bases and training.
      context: of the derivation.

    Raises:
      InputError: a base of several networks, or of none.
      SettingError: settings that there cannot be.
    """
    base.map_innermost(network_of)
    if len(networks_of(base)) != 1:
        raise InputError("binarydm trains one network, and the base has several")
    found: list[tuple[Plan, list[np.ndarray]]] = []

    def fit(fitting: Fitting) -> None:
        found.append((learners_of(fitting, config), axes_of(fitting, config)))

    spec = spec_of(config)
    made = quantized(base, config, context, spec, fit, make_layer=_make_layer).denoiser
    if context.restoring:
        return Derivation(made)
    plan, axes = found[0]
    objective = _objective(base, config, context, plan, axes)

    def finish() -> Denoiser:
        for learner in plan.values():
            learner.store()
        return made

    trained = base.map_innermost(partial(_with_plan, plan))
    return Derivation(trained, objective, finish=finish)


def learners_of(fitting: Fitting, config: Config) -> Plan:
    """Every layer of a plan under training, from the base's weights on."""
    seen = observe(fitting.denoise, fitting.rows, fitting.plan)
    started = 2 if config.progressive else 1
    made = {}
    for path, layer in fitting.plan.items():
        assert isinstance(layer, BinaryLayer)
        step = 2.0 * float(np.abs(seen[path].values).mean()) / np.sqrt(7.0)
        made[path] = TrainedBinary(
            layer,
            fitting.kernel(path),
            max(step, 1e-6),
            min(started, config.bases),
            config.learned_scales,
        )
    return made


def axes_of(fitting: Fitting, config: Config) -> list[np.ndarray]:
    """K of what each block of the unquantised network gives; none if not asked for."""
    if not config.representation:
        return []
    found: list[np.ndarray] = []
    count = min(AXES, len(fitting.rows.t))
    chosen = np.linspace(0, len(fitting.rows.t) - 1, count).astype(int)
    batch = next(fitting.rows.taken(chosen).batches(count))
    with watching_blocks(
        lambda layer, inputs, y: found.append(principal_axes(np.asarray(y)))
    ):
        call_eagerly(fitting.denoise, batch, {})
    return found


def _objective(
    base: Denoiser,
    config: Config,
    context: Context,
    plan: Plan,
    axes: list[np.ndarray],
) -> FeatureDistillation:
    def student(done: tf.Tensor) -> Denoiser:
        share = tf.constant(0.0)
        if config.progressive:
            share = tf.maximum(0.0, 1.0 - done / config.progressive)
        at = {path: learner.at(share) for path, learner in plan.items()}
        return base.map_innermost(partial(_inlined, at))

    return FeatureDistillation(
        teacher=base.map_innermost(partial(_inlined, {})),
        student=student,
        variables={
            f"{path.replace('/', '.')}.{name}": variable
            for path, learner in plan.items()
            for name, variable in learner.variables.items()
        },
        axes=axes,
        strength=config.representation,
        weighting=context.settings.diffusion.weighting,
        label_dropout=context.settings.training.label_dropout,
        t_range=(0, base.schedule.timesteps - 1),
        iterations=config.iterations,
    )


def _with_plan(plan: LayerPlan, denoise: Denoiser) -> NetworkDenoiser:
    return network_of(denoise).with_plan(plan)


def _inlined(plan: LayerPlan, denoise: Denoiser) -> NetworkDenoiser:
    """The same with a plan, not a function apart: its blocks can be watched."""
    network = network_of(denoise)
    return NetworkDenoiser(
        network.network,
        network.schedule,
        network.prediction,
        network.labels,
        apart=False,
        plan=stacked(network.plan, plan),
    )


def binary_bytes(derived: Denoiser) -> tuple[int, int]:
    """Bytes of the weights of binary layers in float32, and as they are stored."""
    whole = packed = 0
    for network in networks_of(derived):
        for change in network.plan.values():
            layer = getattr(change, "members", (change,))[-1]
            if isinstance(layer, BinaryLayer):
                whole += 4 * int(np.prod(layer.shape))
                packed += layer.codes.shape[0] + 4 * int(np.prod(layer.scales.shape))
    return whole, packed


def measure(base: Denoiser, derived: Denoiser) -> dict[str, tuple[float, float]]:
    """Rows of a report: title -> base, derived."""
    row = {"bytes of the weights of binary layers": binary_bytes(derived)}
    return compare_costs(base, derived) | row
