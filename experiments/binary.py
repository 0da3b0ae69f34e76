"""Measures BinaryDM beside plain signs at equal training: docs/binary.md.

Both learn from the same base, as many steps of as many pictures, with each of several
seeds. Stopped, it goes on where it was. Without a model it only writes the page again.

Example: python -m experiments.binary pretrained:mnist --iterations=2000
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.cached_sampling import Bench, Record
from experiments.pages import DOCS, read_record, table, write_page
from experiments.quantization_table import command
from experiments.systems import record_system
from pdm_tf.assemble import derive, open_model
from pdm_tf.config.quantization import BinaryDMConfig
from pdm_tf.quantization.binarydm import binary_bytes

ARGUMENTS: tuple[str, ...] = ()
STEPS = 15  # of DDIM
BAR, SMALLER, ASKED = 0.8, 20, 2000
ARMS: dict[str, dict[str, Any]] = {
    "plain signs": {
        "bases": 1,
        "learned_scales": False,
        "progressive": 0.0,
        "representation": 0.0,
    },
    "binarydm": {},
}
Row = dict[str, Any]


def measure(
    path: str,
    record: Record,
    work: Path,
    settings: dict[str, int],
    pictures: int,
    only: str = "",
) -> None:
    """Trains what is not trained yet, and takes distances that are not on record."""
    bench = Bench(path, pictures)
    for seed in range(settings["seeds"]):
        for arm, own in ARMS.items():
            name = f"{arm}, {settings['iterations']} steps, seed {seed}"
            if "distance" in record.find(name) or not name.startswith(only):
                continue
            config = BinaryDMConfig(
                iterations=settings["iterations"],
                batch_size=settings["batch_size"],
                seed=seed,
                calibration_images=8,
                calibration_steps=10,
                save_every=50,
                warmup=20,
                **own,
            )
            out = work / bench.data / name.replace(" ", "_").replace(",", "")
            if not derive("binarydm", path, out, config):
                return
            model = open_model(out).denoiser
            whole, packed = binary_bytes(model)
            record.write(
                name,
                arm=arm,
                iterations=config.iterations,
                batch_size=config.batch_size,
                learning_rate=config.learning_rate,
                pictures=pictures,
                steps=STEPS,
                smaller=round(whole / packed, 2),
                distance=bench.distance(bench.pictures(model, STEPS, pictures)),
            )
    if "distance" not in record.find("float32") and "float32".startswith(only):
        made = bench.pictures(bench.base, STEPS, pictures)
        record.write("float32", pictures=pictures, distance=bench.distance(made))


def text_of(rows: Sequence[Row]) -> str:
    """The table of distances, in Markdown."""
    header = ("model", "what", "training steps", "FD", "weights smaller by")
    return table(
        header,
        (
            (
                row["data"],
                row["name"],
                f"{row['iterations']} of {row['batch_size']}" if "arm" in row else "",
                f"{row['distance']:.3g}",
                f"{row['smaller']:.1f}" if "arm" in row else "",
            )
            for row in rows
        ),
    )


def verdict(rows: Sequence[Row], data: str = "mnist") -> dict[str, Any] | None:
    """System 7: the distance over that of plain signs, seed by seed."""
    pairs = pairs_of([r for r in rows if r["data"] == data and "arm" in r])
    if not pairs:
        return None
    parts, decided = [], {}
    for steps in sorted(pairs, key=lambda n: (-len(pairs[n]), n)):
        ratios = [own["distance"] / plain["distance"] for own, plain in pairs[steps]]
        mean, error = float(np.mean(ratios)), float(np.std(ratios) / len(ratios) ** 0.5)
        part = f"{steps} steps of {pairs[steps][0][0]['batch_size']}: FD {mean:.2f}"
        if len(ratios) > 2:
            part += f" ± {error:.2f}"
            if abs(mean - BAR) >= 2 * error:
                decided[steps] = mean <= BAR
        seeds = "seed" if len(ratios) == 1 else "seeds"
        parts.append(f"{part} of that of plain signs ({len(ratios)} {seeds})")
    smaller = next(iter(pairs.values()))[0][0]["smaller"]
    figure = f"W1A4, {'; '.join(parts)}; weights of binary layers {smaller:.1f} times "
    holds: bool | str = decided.get(ASKED, "undecided")
    return {
        "command": command("binarydm"),
        "figure": figure + "below float32",
        "holds": holds if smaller >= SMALLER else False,
    }


def pairs_of(rows: Sequence[Row]) -> dict[int, list[tuple[Row, Row]]]:
    """BinaryDM and plain signs of the same seed, by steps of training."""
    named = {row["name"]: row for row in rows}
    found: dict[int, list[tuple[Row, Row]]] = {}
    for row in rows:
        plain = named.get(row["name"].replace("binarydm", "plain signs"))
        if row["arm"] == "binarydm" and plain:
            found.setdefault(row["iterations"], []).append((row, plain))
    return found


def main(argv: Sequence[str] | None = None) -> None:
    """Measures what is not yet on record of each model, and writes the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="*", help="models; none: only the page")
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of pages")
    parser.add_argument("--work", type=Path, default=Path("runs/binary"))
    parser.add_argument("--pictures", type=int, default=1000, help="of each distance")
    parser.add_argument("--iterations", type=int, default=2000)
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--seeds", type=int, default=3, help="of each training")
    parser.add_argument("--only", default="", help="names of rows begin so")
    words = parser.parse_args(argv)
    place = words.docs / "binary.json"
    names = ("iterations", "batch_size", "seeds")
    settings = {name: getattr(words, name) for name in names}
    for model in words.models:
        record = Record(place, model.partition(":")[2] or Path(model).name)
        measure(model, record, words.work, settings, words.pictures, words.only)
    rows = read_record(place)
    write_page(words.docs / "binary.md", "binary", text_of(rows))
    found = verdict(rows)
    if found and words.docs == DOCS:
        record_system(7, **found)


if __name__ == "__main__":
    main()
