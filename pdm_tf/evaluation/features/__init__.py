"""Feature extractors: pictures -> numbers in which sets of pictures are compared."""

from collections.abc import Callable

from pdm_tf.errors import SettingError
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

VISION = ("dinov2", "clip")  # networks of Hugging Face's files


def open_features(
    name: str, graph: str = "", sha256: str = "", resize: str = "own"
) -> Extractor:
    """The extractor of that name.

    Args:
      name: "digits", "inception", "random", "keras:FILE", "dinov2:FILE" or "clip:FILE".
      graph: for inception, the file of its network.
      sha256: for inception, what the file's must be; empty for the published one.
      resize: for inception, "own" or "clean"; for dinov2:FILE, "cropped" or others.

    Raises:
      InputError: no such name; its weights are missing or not the expected ones.
    """
    kind, given, path = name.partition(":")
    if given and kind == "keras":
        from pdm_tf.evaluation.features.keras_file import KerasFile

        return KerasFile(path)
    if given and kind in VISION:
        from pdm_tf.evaluation.features.vision import VisionTransformer

        return VisionTransformer(kind, path, resize)
    if name not in SHELF:
        files = [f"{kind}:FILE" for kind in ("keras", *VISION)]
        remedy = f"choose from {', '.join((*SHELF, *files))}"
        raise SettingError("features", name, remedy)
    opened = SHELF[name](graph, sha256)
    if name == "inception" and resize == "clean":
        from pdm_tf.evaluation.features.inception import SIDE
        from pdm_tf.evaluation.features.resizing import Resizing

        return Resizing(opened, SIDE)
    return opened
