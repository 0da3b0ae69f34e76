"""Films of pictures that are bytes already: GIF and WebP without loss, MP4."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from pdm_tf.storage.files import appearing, write_bytes


def write_film(path: Path, frames: np.ndarray, rate: float) -> None:
    """Writes a film, whole or not at all; the last frame stands for a second.

    GIF has 256 colours a frame, which grey needs no more of; WebP loses nothing.

    Args:
      path: *.gif, *.webp or *.mp4.
      frames: uint8 [F, H, W, C], C of 1 or 3.
      rate: frames a second.

    Raises:
      ModuleNotFoundError: imageio-ffmpeg is not there, which MP4 needs.
    """
    if path.suffix == ".mp4":
        _write_mp4(path, frames, rate)
        return
    images = [Image.fromarray(f[..., 0] if f.shape[2] == 1 else f) for f in frames]
    if path.suffix == ".gif" and frames.shape[3] == 3:
        images = [image.quantize(256, dither=Image.Dither.NONE) for image in images]
    times = [round(1000 / rate)] * (len(images) - 1) + [1000]
    _write_images(path, images, times)


def _write_images(path: Path, images: Sequence[Image.Image], times: list[int]) -> None:
    file = io.BytesIO()
    options = {"lossless": True, "method": 4} if path.suffix == ".webp" else {}
    images[0].save(
        file,
        format=path.suffix[1:].upper(),
        save_all=True,
        append_images=list(images[1:]),
        duration=times,
        loop=0,
        **options,
    )
    write_bytes(path, file.getvalue())


def _write_mp4(path: Path, frames: np.ndarray, rate: float) -> None:
    from imageio_ffmpeg import write_frames

    if frames.shape[3] == 1:
        frames = np.repeat(frames, 3, axis=3)
    height, width = (side + side % 2 for side in frames.shape[1:3])  # as H.264 needs
    frames = np.pad(
        frames,
        (
            (0, 0),
            (0, height - frames.shape[1]),
            (0, width - frames.shape[2]),
            (0, 0),
        ),
        mode="edge",
    )
    with appearing(path) as new:
        movie = new.with_suffix(".mp4")
        stream = write_frames(
            str(movie), (width, height), fps=rate, quality=8, macro_block_size=2
        )
        stream.send(None)
        for frame in [*frames, *[frames[-1]] * round(rate)]:
            stream.send(np.ascontiguousarray(frame))
        stream.close()
        movie.replace(new)
