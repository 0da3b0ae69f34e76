"""Feature extractors: pictures -> numbers in which sets of pictures are compared."""

from collections.abc import Callable

from pdm_tf.evaluation.features.extractor import Extractor, Features, pooled_of

__all__ = ["SHELF", "Extractor", "Features", "open_features", "pooled_of"]


def _digits(graph: str, sha256: str) -> Extractor:
    from pdm_tf.evaluation.features.digits import Digits

    return Digits()


def _inception(graph: str, sha256: str) -> Extractor:
    from pdm_tf.evaluation.features.inception import Inception

    return Inception(graph, sha256)


def _random(graph: str, sha256: str) -> Extractor:
    from pdm_tf.evaluation.features.random_convolutions import RandomConvolutions

    return RandomConvolutions()


# By name, each loading what it needs, TensorFlow for instance, when it is opened.
SHELF: dict[str, Callable[[str, str], Extractor]] = {
    "digits": _digits,
    "inception": _inception,
    "random": _random,
}


def open_features(name: str, graph: str = "", sha256: str = "") -> Extractor:
    """The extractor of that name.

    Args:
      name: "digits", "inception" or "random".
      graph: for inception, the file of its network.
      sha256: for inception, what the file's must be; empty for the published one.

    Raises:
      InputError: its weights are missing or not the expected ones.
    """
    return SHELF[name](graph, sha256)
