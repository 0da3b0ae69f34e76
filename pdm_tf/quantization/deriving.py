"""What all methods of this room share: plans of networks, and how they are filled."""

from collections.abc import Callable
from itertools import count
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from pdm_tf.config.quantization import QuantizedConfig
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.derivation import Context, Derivation
from pdm_tf.denoisers.network import NetworkDenoiser
from pdm_tf.errors import InputError
from pdm_tf.networks.transforms import layers_of, points_of
from pdm_tf.quantization.calibration import Choice, Rows, calibration_rows
from pdm_tf.quantization.float_layer import FloatLayer
from pdm_tf.quantization.layer import QuantizedLayer
from pdm_tf.quantization.log_softmax import LogSoftmax
from pdm_tf.quantization.spec import LayerSpec, QuantizationSpec

Plan = dict[str, QuantizedLayer]
ChooseSpec = Callable[["Fitting"], QuantizationSpec]
MakeLayer = Callable[[str, tuple[int, ...], LayerSpec], QuantizedLayer | None]
NO_ROWS = Rows(*(np.zeros(0, kind) for kind in (np.float32, np.int32, np.int32)))


class Fitting(NamedTuple):
    """What a method needs to fill the plan of one network.

    Attributes:
      denoise: the network's denoiser as it was, with the plan of its base.
      plan: its quantised layers, whose variables are to be set.
      rows: what the network reads.
      name: of the network among those of the model.
      context: of the derivation.
    """

    denoise: NetworkDenoiser
    plan: Plan
    rows: Rows
    name: str
    context: Context

    def kernel(self, path: str) -> np.ndarray:
        """A layer's kernel as the base computes with it: adapters are in it."""
        return kernel_of(self.denoise, path)


def kernel_of(denoise: NetworkDenoiser, path: str) -> np.ndarray:
    """A layer's kernel after what a denoiser's plan does to it, float32."""
    w: tf.Tensor = layers_of(denoise.network)[path].kernel.value
    if path in denoise.plan:
        w = denoise.plan[path].kernel(tf.convert_to_tensor(w))
    return np.asarray(tf.cast(w, tf.float32))


def plan_of(
    denoise: NetworkDenoiser,
    spec: QuantizationSpec,
    make_layer: MakeLayer | None = None,
) -> Plan:
    """Quantised layers of a network, by path, that nothing is known of yet.

    Args:
      denoise: the network's denoiser.
      spec: what is quantised, and how.
      make_layer: (path, shape of the kernel, spec) -> a layer, or None for the usual.
    """
    layers, seams = layers_of(denoise.network), seams_of(denoise.network)
    plan: Plan = {}
    for path in [*layers, *points_of(denoise.network)]:
        wanted = spec.of(path)
        shape = tuple(layers[path].kernel.shape) if path in layers else ()
        if wanted and (wanted.activations or (wanted.weights and shape)):
            seam = seams.get(path, 0) if wanted.split else 0
            steps = step_groups(denoise.schedule.timesteps, wanted.steps)
            own = make_layer(path, shape, wanted) if make_layer else None
            plan[path] = own or _layer_of(shape, wanted, seam, steps)
    return plan


def _layer_of(
    shape: tuple[int, ...], spec: LayerSpec, seam: int, steps: np.ndarray | None
) -> QuantizedLayer:
    forms = (spec.weights, spec.activations)
    schemes = {form.scheme for form in forms if form}
    if "float" in schemes:
        return FloatLayer(shape, spec)
    if "log2" in schemes:
        return LogSoftmax(spec)
    return QuantizedLayer(shape, spec, seam, steps)


def step_groups(timesteps: int, groups: int) -> np.ndarray | None:
    """The group of each timestep, int32 [T], None for one group: that of the nearest of
    so many timesteps spread evenly, those that as many steps of a sampler visit."""
    if groups == 1:
        return None
    visited = np.round(np.linspace(0, timesteps - 1, groups))
    middles = 0.5 * (visited[1:] + visited[:-1])
    return np.searchsorted(middles, np.arange(timesteps)).astype(np.int32)


def seams_of(network: Any) -> dict[str, int]:
    """Where the skip begins in what the decoder's projections read, by path.

    None for a network without skips.
    """
    if not hasattr(network, "up"):
        return {}
    channels, found = network.middle[-1].channels, {}
    for layers in network.up:
        found[f"{layers[0].name}/skip"] = channels
        channels = layers[-1].channels
    return found


def quantized(
    base: Denoiser,
    config: QuantizedConfig,
    context: Context,
    spec: QuantizationSpec | ChooseSpec,
    fit: Callable[[Fitting], None],
    choose: Choice | None = None,
    make_layer: MakeLayer | None = None,
) -> Derivation:
    """The base with every network's layers quantised.

    Args:
      base: any composition of denoisers of networks.
      config: settings of the method.
      context: of the derivation.
      spec: what is quantised, and how; or what chooses it, from a network whose plan
        is empty, and when a stored model is opened has no rows either.
      fit: sets the variables of one network's plan.
      choose: which rows of trajectories are kept, see `calibration_rows`.
      make_layer: makes layers of the method's own, see `plan_of`.

    Raises:
      InputError: innermost denoisers that are no networks.
    """
    base.map_innermost(network_of)
    rows = [] if context.restoring else _rows(base, config, context, choose)
    numbers = count()

    def change(inner: Denoiser) -> Denoiser:
        denoise, i = network_of(inner), next(numbers)
        own = NO_ROWS if context.restoring else rows[i]
        fitting = Fitting(denoise, {}, own, f"network_{i}", context)
        chosen = spec if isinstance(spec, QuantizationSpec) else spec(fitting)
        plan = plan_of(denoise, chosen, make_layer)
        if not context.restoring:
            fit(fitting._replace(plan=plan))
        return denoise.with_plan(plan)

    return Derivation(base.map_innermost(change))


def _rows(
    base: Denoiser, config: QuantizedConfig, context: Context, choose: Choice | None
) -> list[Rows]:
    """Rows of each network, kept for the case that the command is stopped."""
    kept = context.kept("calibration")
    if kept is None:
        context.note("calibrating")
        images, steps = config.calibration_images, config.calibration_steps
        sampling = context.settings.sampling
        found = calibration_rows(base, sampling, images, steps, choose)
        kept = {
            f"{i}.{name}": value
            for i, rows in enumerate(found)
            for name, value in rows._asdict().items()
        }
        context.keep("calibration", kept)
    networks = len(kept) // len(Rows._fields)
    return [
        Rows(*(kept[f"{i}.{name}"] for name in Rows._fields)) for i in range(networks)
    ]


def network_of(denoise: Denoiser) -> NetworkDenoiser:
    """The same, or InputError for a denoiser that has no network."""
    if not isinstance(denoise, NetworkDenoiser):
        raise InputError(
            f"quantisation needs a network, and {type(denoise).__name__} has none"
        )
    return denoise
