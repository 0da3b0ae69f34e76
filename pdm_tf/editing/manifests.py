"""What edited pictures on disk are of; loads no TensorFlow."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pdm_tf.config import EditingConfig
from pdm_tf.editing.reading import picture_files
from pdm_tf.storage.files import checksum


def is_of_edits(manifest: Mapping[str, Any]) -> bool:
    """Whether a manifest is of edited pictures."""
    return {"task", "digest", "inputs"} <= manifest.keys()


def describe_edits(
    task: str, config: EditingConfig, own: Any, digest: str
) -> dict[str, Any]:
    """The manifest: the task, all settings, and the content of what is read."""
    settings = {**asdict(config), **asdict(own)}
    files = picture_files(config, own)
    for name in ("out", "model", *files):
        settings.pop(name)
    return {
        "task": task,
        **{name: _plain(value) for name, value in settings.items()},
        "inputs": {name: checksum(Path(path)) for name, path in files.items()},
        "files": files,
        "path": config.model,
        "digest": digest,
    }


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
