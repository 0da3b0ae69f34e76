"""Weights under other names, put into a network; what does not fit is said whole."""

from collections.abc import Callable, Collection, Iterator, Mapping

import keras
import numpy as np

from pdm_tf.errors import InputError


class Chosen(Mapping[str, np.ndarray]):
    """Some of the arrays of a mapping, each read when it is asked for."""

    def __init__(
        self, arrays: Mapping[str, np.ndarray], names: Collection[str]
    ) -> None:
        self._arrays, self._names = arrays, names

    def __getitem__(self, name: str) -> np.ndarray:
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def paths_of(network: keras.Model) -> dict[str, keras.Variable]:
    """A network's variables by their paths, less the network's own name."""
    return {v.path.partition("/")[2]: v for v in network.variables}


def assign(
    network: keras.Model,
    weights: Mapping[str, np.ndarray],
    path_of: Callable[[str], str | None],
    as_ours: Callable[[str, np.ndarray], np.ndarray],
) -> None:
    """Gives a network weights by other names.

    Args:
      network: whose variables are assigned.
      weights: by their names; may read each when it is asked for.
      path_of: our path of a name, or None for one that is unknown.
      as_ours: path and value -> the value in our layout.

    Raises:
      InputError: names that are missing, too many, or of other shapes; all are said.
    """
    variables = paths_of(network)
    found, wrong = {}, []
    for name, value in weights.items():
        path = path_of(name)
        if path is None or path not in variables:
            wrong.append(f"{name} is not of this network")
            continue
        value = as_ours(path, value)
        if value.shape != tuple(variables[path].shape):
            wrong.append(f"{name} is {value.shape}, not {tuple(variables[path].shape)}")
        found[path] = value
    wrong += [f"{path} is missing" for path in variables if path not in found]
    if wrong:
        raise InputError(f"the weights do not fit: {'; '.join(wrong)}")
    for path, value in found.items():
        variables[path].assign(value)
