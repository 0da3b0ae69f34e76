"""Exports on disk -> generators: SavedModel directories and .tflite files."""

from pathlib import Path

from pdm_tf.errors import SettingError
from pdm_tf.serving.generator import ImageGenerator


def is_export(path: str | Path) -> bool:
    """Whether this is, by its name or content, what `python -m pdm_tf.export` wrote."""
    path = Path(path)
    return path.suffix == ".tflite" or (path / "saved_model.pb").is_file()


def open_generator(setting: str, path: str | Path) -> ImageGenerator:
    """The generator of a SavedModel directory or of a .tflite file.

    Args:
      setting: the setting that names it, for messages.
      path: where it lies.

    Raises:
      InputError: neither of these, or a damaged one.
    """
    if Path(path).suffix == ".tflite":
        from pdm_tf.serving.litert_generator import LitertGenerator

        return LitertGenerator(setting, str(path))
    if not Path(path).exists():
        raise SettingError(
            setting,
            path,
            "does not exist; give a SavedModel or a .tflite file",
        )
    from pdm_tf.serving.saved_model_generator import SavedModelGenerator

    return SavedModelGenerator(setting, str(path))
