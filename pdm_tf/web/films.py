"""Films for a page: pictures one after the other as one GIF, within the page itself."""

import base64
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

_FRAME = 90  # milliseconds
_LAST = 1500  # of the last one, which is what the film leads to


def encode_film(frames: Sequence[np.ndarray], there_and_back: bool = False) -> bytes:
    """A GIF that begins anew when it ends.

    Args:
      frames: uint8 [H, W, C], C of 1 or 3, at least one.
      there_and_back: whether it then runs backwards.
    """
    shown = list(frames)
    if there_and_back:
        shown += shown[-2:0:-1]
    images = [Image.fromarray(f[..., 0] if f.shape[2] == 1 else f) for f in shown]
    durations = [_FRAME] * (len(images) - 1) + [_FRAME if there_and_back else _LAST]
    file = io.BytesIO()
    images[0].save(
        file,
        format="GIF",
        save_all=True,
        append_images=images[1:],
        duration=durations,
        loop=0,
    )
    return file.getvalue()


def as_html(film: bytes, said: str) -> str:
    """A film as a picture of a page.

    Args:
      film: GIF.
      said: what it shows, for those who cannot see it.
    """
    data = base64.b64encode(film).decode("ascii")
    return (
        f'<img alt="{said}" src="data:image/gif;base64,{data}" '
        'style="max-width:100%;image-rendering:pixelated">'
    )
