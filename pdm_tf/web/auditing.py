"""The rare among pictures that a visitor uploads: a sheet, and a table of scores."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pdm_tf.data.images import contact_sheet, read_picture
from pdm_tf.errors import SettingError
from pdm_tf.evaluation.data_audit import DataAudit, audit_pictures
from pdm_tf.web.drawing import enlarged
from pdm_tf.web.tried import Limits, Tried

_FEWEST = 2  # pictures that can be compared
_COLUMNS = 8


def audited(
    model: Tried, files: Sequence[str] | None, limits: Limits
) -> tuple[np.ndarray, str]:
    """The pictures as a sheet, the rarest first, and a table in that order.

    Args:
      model: what judges.
      files: the pictures' files; those of another shape are cut in the middle.
      limits: of the page.

    Returns:
      uint8 [h, w, C] and Markdown.

    Raises:
      InputError: too few or too many, or a file that is no picture.
    """
    count = len(files or ())
    if count < _FEWEST:
        remedy = "upload two or more, best some of those that the model was trained on"
        raise SettingError("pictures", count, remedy)
    limits.check(count, 1)
    shape = model.generator.image_shape
    pictures = np.stack([read_picture(path, shape) for path in files or ()])
    found = audit_pictures(model.editor.denoise, pictures)
    sheet = contact_sheet(pictures[found.rarest(count)], min(count, _COLUMNS))
    return enlarged(sheet), _as_table(found, [Path(path).name for path in files or ()])


def _as_table(found: DataAudit, names: Sequence[str]) -> str:
    lines = ["| picture | score | share that is commoner |", "|---|---|---|"]
    for row in found.rows():
        name = names[row["number"]].replace("|", r"\|").replace("`", "'")
        lines.append(f"| `{name}` | {row['score']:.4f} | {row['rank']:.0%} |")
    return "\n".join(lines)
