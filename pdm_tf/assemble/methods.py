"""Every method that derives a model, found by its name."""

import importlib
from typing import Any

from pdm_tf.errors import InputError

ROOMS = ("acceleration", "adapters", "distillation", "guidance", "quantization")
# What stands on what: a method's base must not come later in this order than itself.
ORDER = (("adapter", "distilled"), ("quantized",), ("cached",), ("guided",))
_SHOWN = ", then ".join(" or ".join(kinds) for kinds in ORDER)


def method_paths() -> dict[str, str]:
    """Name -> module of every method in every room."""
    found: dict[str, str] = {}
    for room in ROOMS:
        try:
            module = importlib.import_module(f"pdm_tf.{room}")
        except ModuleNotFoundError as error:
            if error.name != f"pdm_tf.{room}":
                raise
            continue  # a room without methods yet
        found |= getattr(module, "METHODS", {})
    return found


def open_method(name: str) -> Any:
    """The module of a method, see `denoisers.derivation`.

    Raises:
      InputError: no such method.
    """
    paths = method_paths()
    if name not in paths:
        raise InputError(
            f"method {name!r} is not in this version of pdm_tf; it has "
            f"{', '.join(sorted(paths))}"
        )
    return importlib.import_module(paths[name])


def check_stacking(name: str, kind: str, below: str, below_kind: str) -> None:
    """Raises InputError where a method cannot stand on what its base was made by.

    Args:
      name: the method.
      kind: its kind.
      below: the method that the base was made by.
      below_kind: the kind of that.
    """
    if _rank(below_kind) > _rank(kind):
        raise InputError(
            f"{name} ({kind}) cannot be derived from a model that {below} "
            f"({below_kind}) made; the order is {_SHOWN}"
        )


def _rank(kind: str) -> int:
    return next(i for i, kinds in enumerate(ORDER) if kind in kinds)
