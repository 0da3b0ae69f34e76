"""Time table: layers of timestep and class are looked up, not computed.

What a network makes of a timestep alone, the two time layers and a projection in every
residual block, takes T values, and the gates take one for each class: tables hold them,
and the layers are gone from the graph. Exact: this is the cache of arXiv 2407.19547
before its values are quantised.

Where the class is added to the time embedding no nonlinearity follows within the
projections of residual blocks, so that each is the sum of a row for the timestep and
one for the class. The variance head reads the time alone.

Tables are made anew when the model is opened, in a moment, and never stored: the base
is tied by its checksum, so that they are the same, and a file of them would be larger
than the layers that they replace.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from pdm_tf.config.acceleration import TimeTableConfig
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.derivation import Derivation
from pdm_tf.denoisers.network import NetworkDenoiser
from pdm_tf.errors import InputError, SettingError
from pdm_tf.networks.transforms import (
    LayerTransform,
    conditions,
    current_conditions,
    layers_of,
    transformed,
)

PAPER = (
    "Temporal Feature Matters: A Framework for Diffusion Model Quantization, "
    "arXiv 2407.19547 (its cache, unquantised)"
)
KIND = "cached"
REPORTED = "SD-XL with 4-bit weights 2.20 times faster on a processor"
NOT_REPRODUCED = "that speed: the time layers are a small part of a call in float32"
Config = TimeTableConfig

TOLERANCE = 1e-4  # of sums of rows, relative to the largest value


class Tabled(LayerTransform):
    """A layer whose output is looked up, as a sum of rows; the layer is left out.

    Args:
      times: [T, C], rows by timestep; None: no part of it.
      classes: [classes + 1, C], rows by label, the last for none; None: no part of it.
    """

    def __init__(self, times: np.ndarray | None, classes: np.ndarray | None) -> None:
        self.times, self.classes = times, classes

    def apply(self, x: tf.Tensor, t: tf.Tensor, layer: Any) -> tf.Tensor:
        found = [] if self.times is None else [tf.gather(tf.constant(self.times), t)]
        if self.classes is not None:
            labels = current_conditions().labels
            found.append(tf.gather(tf.constant(self.classes), labels))
        return sum(found[1:], found[0])


class NoEmbedding(LayerTransform):
    """The time embedding where every layer that would read it is looked up."""

    def __init__(self, width: int) -> None:
        self.width = width

    def apply(self, x: tf.Tensor, t: tf.Tensor, layer: Any) -> tf.Tensor:
        return tf.zeros([1, self.width])


class Tabulation:
    """What a network's layers of timestep and class give, for all of both.

    Args:
      denoise: the network's denoiser; what its plan does to the layers counts.
    """

    def __init__(self, denoise: NetworkDenoiser) -> None:
        self.network, self.plan = denoise.network, denoise.plan
        self.layers = layers_of(self.network)
        self.timesteps = denoise.schedule.timesteps
        self.labels = denoise.num_classes + 1 if denoise.num_classes else 0
        self.null = denoise.num_classes  # the label of none, where there are classes

    @property
    def gated(self) -> bool:
        """Whether classes have layers of their own."""
        return any(path.endswith("/gate") for path in self.layers)

    def embedding(self, t: np.ndarray, labels: np.ndarray) -> Any:
        """The network's embedding of pairs, int [N] each."""
        return self.network.embed(tf.cast(t, tf.int32), self._or_none(labels))

    def features(
        self, paths: Iterable[str], t: np.ndarray, labels: np.ndarray
    ) -> dict[str, tf.Tensor]:
        """What layers give, [N, C] each, for pairs of timestep and label, int [N] each,
        with gradients for the variables of the plan."""
        with transformed(self.plan), self._conditioned(t, labels):
            time, classes, alone = self.embedding(t, labels)
            read = {"time": time, "gate": classes}
            read["variance_time"] = tf.nn.silu(alone)
            return {p: self.layers[p](read[p.rpartition("/")[2]]) for p in paths}

    def output(self, path: str, t: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """What a layer gives, [N, C], for pairs of timestep and label, int [N] each."""
        t, labels = np.broadcast_arrays(t, labels)
        return self.features([path], t, labels)[path].numpy()

    def _or_none(self, labels: np.ndarray) -> tf.Tensor | None:
        return tf.cast(labels, tf.int32) if self.labels else None

    def _conditioned(self, t: np.ndarray, labels: np.ndarray) -> Any:
        return conditions(tf.cast(t, tf.int32), self._or_none(labels))

    def of_times(self, path: str) -> np.ndarray:
        """[T, C], without a class."""
        return self.output(path, np.arange(self.timesteps), np.array(self.null))

    def of_classes(self, path: str) -> np.ndarray:
        """[classes + 1, C], at timestep 0."""
        return self.output(path, np.array(0), np.arange(self.labels))


def plan_of(denoise: NetworkDenoiser) -> dict[str, LayerTransform]:
    """The tables of a network, by the layer that each replaces.

    Raises:
      InputError: layers that are no sum of a part of the timestep and one of the class.
    """
    found = Tabulation(denoise)
    added = bool(found.labels) and not found.gated
    plan: dict[str, LayerTransform] = {}
    for path in found.layers:
        if path.endswith("/gate"):
            plan[path] = Tabled(None, found.of_classes(path))
        elif path.endswith("/time"):
            plan[path] = _time_table(found, path, added)
    width = found.embedding(np.zeros(1), np.zeros(1)).time.shape[-1]
    variance = Tabled(found.of_times("variance_time"), None)
    return plan | {"variance_time": variance, "time": NoEmbedding(width)}


def _time_table(found: Tabulation, path: str, added: bool) -> Tabled:
    times = found.of_times(path)
    if not added:
        return Tabled(times, None)
    classes = found.of_classes(path)
    classes = classes - classes[-1]
    _check(found, path, times, classes)
    return Tabled(times, classes)


def _check(
    found: Tabulation, path: str, times: np.ndarray, classes: np.ndarray
) -> None:
    """Raises InputError where rows do not add up, as in a quantised layer."""
    rng = np.random.default_rng(0)
    t, labels = (
        rng.integers(found.timesteps, size=64),
        rng.integers(found.labels, size=64),
    )
    wanted = np.float32(found.output(path, t, labels))
    made = np.float32(times[t]) + np.float32(classes[labels])
    exact = TOLERANCE if times.dtype == np.float32 else 0.05  # of half precision
    if np.abs(made - wanted).max() > exact * max(np.abs(wanted).max(), 1e-3):
        raise InputError(
            f"{path} is no sum of a part of the timestep and one of the class in this "
            "model, perhaps since it is quantised: make the table of its base"
        )


def size_of(plan: Mapping[str, LayerTransform]) -> int:
    """Bytes of all tables."""
    return sum(
        value.nbytes
        for change in plan.values()
        for value in vars(change).values()
        if isinstance(value, np.ndarray)
    )


def tabled(denoise: Denoiser, largest: int = TimeTableConfig.largest) -> Denoiser:
    """A network's denoiser with tables in the place of its layers of time and class.

    Raises:
      InputError: no network, or layers that cannot be tabled.
      SettingError: tables beyond `largest` MiB.
    """
    if isinstance(denoise, NetworkDenoiser) and not hasattr(denoise.network, "embed"):
        name = type(denoise.network).__name__
        raise InputError(f"a {name} has no layers of time to table: this is for U-Nets")
    if not isinstance(denoise, NetworkDenoiser):
        raise InputError(f"a {type(denoise).__name__} has no layers of time to table")
    plan = plan_of(denoise)
    needed = size_of(plan) / 2**20
    if needed > largest:
        raise SettingError(
            "largest", largest, f"the tables take {needed:.0f} MiB; allow for them"
        )
    return denoise.with_plan(plan)


def derive(base: Denoiser, config: TimeTableConfig, context: Any = None) -> Derivation:
    """The base with tables in the place of its layers of time and class.

    Args:
      base: any composition of denoisers of networks, cached ones too.
      config: how large tables may become.
      context: nothing is needed.

    Raises:
      InputError: see `tabled`.
    """
    return Derivation(base.map_innermost(lambda d: tabled(d, config.largest)))
