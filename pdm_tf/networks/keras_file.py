"""Networks as Keras files: settings and weights, for whoever works with Keras alone."""

import dataclasses
from typing import Any, ClassVar, Self

import keras


class KerasFile:
    """What a network needs so that `save` and `load_model` hold all of it.

    Its settings are plain data; its weights exist once it is constructed, so that
    Keras has nothing to build. Loading needs `import pdm_tf.networks`, and no code of
    training.
    """

    settings_type: ClassVar[type]  # of `config`, a dataclass
    config: Any

    def get_config(self) -> dict[str, Any]:
        """The settings, as JSON holds them."""
        held = dataclasses.asdict(self.config)
        policy = keras.dtype_policies.serialize(self.dtype_policy)  # type: ignore[attr-defined]
        return {"config": held, "name": self.name, "dtype": policy}  # type: ignore[attr-defined]

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        """A network of such settings, freshly drawn; JSON's lists become tuples."""
        given = dict(config)
        held = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in given.pop("config").items()
        }
        policy = given.get("dtype")
        if isinstance(policy, dict):
            given["dtype"] = keras.dtype_policies.deserialize(policy)
        return cls(cls.settings_type(**held), **given)  # type: ignore[call-arg]

    def get_build_config(self) -> None:
        """Nothing: it is built already."""

    def build_from_config(self, config: Any) -> None:
        """Nothing, see `get_build_config`."""
