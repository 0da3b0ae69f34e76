"""Draws docs/images/patches.png, the README's first: one picture in patches of 1, 2, 4
and 8 pixels, and what sampling costs with each, from the tables of docs/speed.md.

    python -m experiments.hero
"""

import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

DOCS = Path(__file__).resolve().parents[1] / "docs"
PATCHES = (1, 2, 4, 8)
_SHOWN = 32  # pixels of the picture that is cut up
_MEMORY = re.compile(
    r"^\| (\d) \| [\d.]+ / [\d.]+ \| [\d.]+ / ([\d.]+) \|$", re.MULTILINE
)
_SPEED = re.compile(r"\*\*1 : ([\d.]+) : ([\d.]+)\*\*")


class Costs(NamedTuple):
    """What was measured, by patch size."""

    gibibytes: dict[int, float]  # to sample one picture of 1024 pixels, FFHQ network
    speed: dict[int, float]  # pictures per second over those with P = 2, LSUN networks


def read_costs(page: str) -> Costs:
    """The figures of docs/speed.md.

    Raises:
      ValueError: the page has no such table any more.
    """
    memory = {int(p): float(value) for p, value in _MEMORY.findall(page)}
    speed = _SPEED.search(page)
    if set(memory) != set(PATCHES) or speed is None:
        raise ValueError("docs/speed.md has no figures of P = 1, 2, 4, 8")
    return Costs(memory, {2: 1.0, 4: float(speed[1]), 8: float(speed[2])})


def draw(costs: Costs, picture: np.ndarray, file: Path) -> None:
    """Four panels, one a patch size: the patches above, the costs below.

    Args:
      costs: see `read_costs`.
      picture: uint8 [H, H, 3], H divided by every patch size.
      file: where it goes.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, rows = plt.subplots(
        2, 4, figsize=(10, 4.4), dpi=110, height_ratios=(3.6, 1), layout="constrained"
    )
    for column, patch in enumerate(PATCHES):
        _draw_patches(rows[0][column], picture, patch)
        _draw_costs(rows[1][column], costs, patch)
    figure.suptitle("One network, four patch sizes", fontsize=14)
    figure.savefig(file)
    plt.close(figure)


def _draw_patches(axes: Any, picture: np.ndarray, patch: int) -> None:
    side = picture.shape[0]
    axes.imshow(picture, extent=(0, side, side, 0), interpolation="nearest")
    for place in range(0, side + 1, patch):
        axes.axhline(place, color="white", linewidth=0.4 + 0.1 * patch, alpha=0.8)
        axes.axvline(place, color="white", linewidth=0.4 + 0.1 * patch, alpha=0.8)
    axes.set_title(f"P = {patch}: {(side // patch) ** 2:,} places", fontsize=12)
    axes.axis("off")


def _draw_costs(axes: Any, costs: Costs, patch: int) -> None:
    most = max(costs.gibibytes.values()), max(costs.speed.values())
    rate = costs.speed.get(patch)
    said = "speed not measured" if rate is None else f"{rate:.2f} × the speed of P = 2"
    bars = [costs.gibibytes[patch] / most[0], (rate or 0) / most[1]]
    axes.barh([1, 0], bars, color=["#7a5195", "#2f9e74"], height=0.3)
    axes.text(0, 1.27, f"{costs.gibibytes[patch]:.2f} GiB at 1024 pixels", fontsize=10)
    axes.text(0, 0.27, said, fontsize=10)
    axes.set(xlim=(0, 1.05), ylim=(-0.3, 1.75))
    axes.axis("off")


def main(docs: Path = DOCS) -> None:
    """Draws it, with a photograph of scikit-image (NASA, public domain)."""
    from PIL import Image
    from skimage import data

    whole = Image.fromarray(data.astronaut()).crop((120, 0, 340, 220))
    size = _SHOWN, _SHOWN
    picture = np.asarray(whole.resize(size, Image.Resampling.LANCZOS))
    costs = read_costs((docs / "speed.md").read_text("utf-8"))
    draw(costs, picture, docs / "images" / "patches.png")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
