"""TensorFlow Serving's layout: a model is a folder, its versions folders of numbers."""

from pathlib import Path

from pdm_tf.errors import SettingError

_LARGEST = 2**63 - 1  # Serving counts versions in 64 bits


def choose_version(setting: str, path: str | Path) -> Path:
    """The folder of a version that is not there yet.

    A server loads the version with the largest number as soon as it appears, and never
    looks again at one that it has loaded; so none is replaced.

    Args:
      setting: the setting that names it, for messages.
      path: the version's own folder, such as models/pdm/3; or the model's, such as
        models/pdm, whose next version it becomes.

    Raises:
      SettingError: the version is there already, or is no number that Serving reads.
    """
    path = Path(path).expanduser()
    if not path.name.isdecimal():
        return path / str(max(versions(path), default=0) + 1)
    if str(int(path.name)) != path.name or int(path.name) > _LARGEST:
        raise SettingError(
            setting, path, "a version is a whole number without zeros before it"
        )
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        later = path.parent / str(max(versions(path.parent)) + 1)
        raise SettingError(
            setting,
            path,
            "is there already, and a server looks at a version only once; "
            f"`{setting}={later}` is the next",
        )
    return path


def versions(model: str | Path) -> list[int]:
    """Numbers of the versions in a model's folder, rising; none where there is none."""
    model = Path(model)
    if not model.is_dir():
        return []
    names = [entry.name for entry in model.iterdir()]
    return sorted(int(name) for name in names if name.isdecimal())
