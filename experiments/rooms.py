"""Draws docs/images/rooms.png: the rooms of the package and who imports whom.

Read from the imports themselves, so that the picture is the code's and not a plan's.

Example: python -m experiments.rooms
"""

import argparse
import ast
from collections.abc import Mapping, Sequence
from pathlib import Path

from experiments.pages import IMAGES

ARGUMENTS: tuple[str, ...] = ()
PACKAGE = Path(__file__).resolve().parents[1] / "pdm_tf"
# Rows from the ground up, and where in its row a room stands: what a room needs stands
# below it, and no arrow passes behind a room.
ROWS: tuple[dict[str, float], ...] = (
    {"config": 0.8, "errors": 2.1, "storage": 3.5, "seeds": 4.9, "version": 6.2},
    {"diffusion": 1.6, "networks": 3.0, "data": 4.4, "profiling": 5.8},
    {"denoisers": 2.4},
    {"adapters": 1.0, "samplers": 2.4, "training": 6.2},
    {
        "acceleration": 0.45,
        "objectives": 2.3,
        "serving": 4.1,
        "inverse": 5.0,
        "convert": 6.6,
    },
    {"quantization": 1.0, "distillation": 1.95, "guidance": 3.32, "editing": 4.3},
    {"export": 1.15, "evaluation": 3.3, "pretrained": 5.3},
    {"assemble": 3.5},
    {"doctor": 1.5, "web": 3.5, "analysis": 5.5},
    {"commands": 3.5},
)
WIDTH = 7.0  # of a row
COLOURS = {
    "denoisers": "#ffd8a8",
    "samplers": "#ffd8a8",
    "assemble": "#d0bfff",
    "commands": "#c3fae8",
}
GROUND = {"config", "errors", "storage", "seeds", "version"}  # known to all: no arrows


def rooms() -> list[str]:
    """Folders of the package, and files beside them that are rooms of their own."""
    found = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    return sorted(found | {"errors", "seeds", "version"})


def imports() -> dict[str, set[str]]:
    """Which rooms each room imports from; commands of a room do not count."""
    found: dict[str, set[str]] = {room: set() for room in rooms()}
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if room not in found or path.name == "__main__.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                parts = node.module.split(".")
                names = parts[1:2] or [alias.name for alias in node.names]
                if parts[0] == "pdm_tf":
                    found[room].update(set(names) & set(found) - {room})
    return found


def reduced(known: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """The same without what follows: no arrow to a room that another one leads to."""

    def reached(room: str) -> set[str]:
        found = set(known[room])
        for other in known[room]:
            found |= reached(other)
        return found

    return {
        room: below - set().union(*(reached(other) for other in below), GROUND)
        for room, below in known.items()
    }


def placed(known: Sequence[str]) -> dict[str, tuple[float, float]]:
    """The middle of each room's box; a room that no row names stands on top."""
    found = {
        room: (x, float(y))
        for y, row in enumerate(ROWS)
        for room, x in row.items()
        if room in known
    }
    others = [room for room in known if room not in found and room != "flags"]
    for i, room in enumerate(others):
        found[room] = WIDTH * (i + 0.5) / len(others), float(len(ROWS))
    return found


def draw(known: Mapping[str, set[str]], out: Path) -> None:
    """Boxes, and arrows from each room to those that it is built upon."""
    from matplotlib.figure import Figure

    places = placed(list(known))
    figure = Figure(figsize=(9, 8.5), layout="constrained")
    axes = figure.subplots()
    boxes = {}
    for room, (x, y) in places.items():
        colour = COLOURS.get(room, "#e7f5ff" if room not in GROUND else "#f1f3f5")
        look = {"boxstyle": "round,pad=0.5", "facecolor": colour}
        look["edgecolor"] = "#495057"
        name = axes.text(x, y, room, ha="center", va="center", fontsize=11, bbox=look)
        boxes[room] = name.get_bbox_patch()
    for room, below in reduced(known).items():
        for other in sorted(below & set(places)):
            arrow = {
                "arrowstyle": "-|>",
                "color": "#868e96",
                "shrinkB": 1,
                "patchA": boxes[room],
                "patchB": boxes[other],
            }
            axes.annotate("", places[other], places[room], arrowprops=arrow)
    axes.set_xlim(0, WIDTH)
    axes.set_ylim(-0.6, max(y for _, y in places.values()) + 0.6)
    axes.axis("off")
    figure.savefig(out, dpi=110)


def main(argv: Sequence[str] | None = None) -> None:
    """Draws the rooms."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, default=IMAGES, help="folder of images")
    folder = parser.parse_args(argv).images
    folder.mkdir(parents=True, exist_ok=True)
    draw(imports(), folder / "rooms.png")
    print(folder / "rooms.png")


if __name__ == "__main__":
    main()
