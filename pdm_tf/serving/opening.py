"""Exports on disk -> generators: SavedModels, .tflite files, OpenVINO folders."""

from pathlib import Path

from pdm_tf.errors import SettingError
from pdm_tf.serving.generator import ImageGenerator
from pdm_tf.storage.directories import recover


def is_export(path: str | Path) -> bool:
    """Whether this is, by its name or content, what `python -m pdm_tf.export` wrote."""
    path = Path(path)
    parts = ("saved_model.pb", "model.xml")
    return path.suffix == ".tflite" or any((path / name).is_file() for name in parts)


def open_generator(
    setting: str, path: str | Path, trust: bool = False
) -> ImageGenerator:
    """The generator of a SavedModel, a .tflite file or an OpenVINO folder.

    Args:
      setting: the setting that names it, for messages.
      path: where it lies.
      trust: run a SavedModel whatever operations it has.

    Raises:
      InputError: none of these, a damaged one, or one that could do more than draw.
    """
    if Path(path).suffix == ".tflite":
        from pdm_tf.serving.litert_generator import LitertGenerator

        return LitertGenerator(setting, str(path))
    recover(path)
    if not Path(path).exists():
        raise SettingError(
            setting,
            path,
            "does not exist; give a SavedModel, a .tflite file or an OpenVINO folder",
        )
    if (Path(path) / "model.xml").is_file():
        from pdm_tf.serving.openvino_generator import OpenvinoGenerator

        return OpenvinoGenerator(setting, str(path))
    from pdm_tf.serving.saved_model_generator import SavedModelGenerator

    return SavedModelGenerator(setting, str(path), trust)
