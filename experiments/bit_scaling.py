"""Quality over the bits of a model, for several sizes: docs/bit_scaling.md.

Each model is quantised to fewer and fewer bits of weights; what its pictures lose is
set beside all the bits that it then takes, biases, norms, tables and ranges counted.
Losses of distillation are compared on a toy of a token model, see `top_kl`. Stopped, it
goes on where it was. Without a model it only writes the page again.

Example: python -m experiments.bit_scaling runs/width8 runs/width16 pretrained:mnist
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.cached_sampling import Bench, Record
from experiments.pages import DOCS, read_record, table, write_page
from experiments.systems import record_system
from experiments.top_kl import compare
from pdm_tf.assemble import derive, open_model
from pdm_tf.assemble.methods import open_method
from pdm_tf.quantization.cost import networks_of, stored_bytes

ARGUMENTS: tuple[str, ...] = ()
METHOD, BITS, ACTIVATION_BITS, STEPS = "ptq4dm", (16, 8, 6, 4, 3), 8, 12
TOY, SEEDS = "toy of tokens", 5
PICTURE = "bit_scaling.png"
Row = dict[str, Any]


def measure(path: str, place: Path, work: Path, pictures: int) -> None:
    """Distances of a model at each number of bits, if they are not on record yet."""
    bench = Bench(path, pictures)
    width = networks_of(bench.base)[0].network.config.width
    record = Record(place, f"width {width}")
    for bits in (32, *BITS):
        name = "float32" if bits == 32 else f"{bits} bits"
        if "distance" in record.find(name):
            continue
        model = bench.base
        if bits < 32:
            out = work / f"width{width}_{bits}"
            config = open_method(METHOD).Config(
                weight_bits=bits,
                activation_bits=max(bits, ACTIVATION_BITS),
                calibration_images=64,
                calibration_steps=20,
            )
            derive(METHOD, path, out, config)
            model = open_model(out).denoiser
        distance = bench.distance(bench.pictures(model, STEPS, pictures))
        size = stored_bytes(model)
        record.write(name, bits=bits, bytes=size, distance=distance, pictures=pictures)


def measure_toy(place: Path) -> None:
    """What losses of distillation leave of a toy, if it is not on record yet."""
    record = Record(place, TOY)
    found = None
    for name in ("rounded alone", *("forward KL", "reverse KL"), *_TOP):
        if record.find(name):
            continue
        found = found or [compare(seed) for seed in range(SEEDS)]
        record.write(name, **{k: [f[name][k] for f in found] for k in ("kl", "same")})


_TOP = ("TopKLD, beta 2", "TopKLD, beta 0.5")


def ratios_of(rows: Sequence[Row], size: str) -> dict[int, float]:
    """Distance over that of the same model in float32, by bits."""
    own = {row["bits"]: row["distance"] for row in rows if row["data"] == size}
    return {bits: own[bits] / own[32] for bits in own} if 32 in own else {}


def sizes_of(rows: Sequence[Row]) -> list[str]:
    """The models on record, smallest first."""
    sizes = {row["data"] for row in rows if "bits" in row}
    return sorted(sizes, key=lambda size: int(size.split()[1]))


def recovered(rows: Sequence[Row], name: str) -> tuple[float, float]:
    """Share of the KL of rounding alone that training took away; its error."""
    own, alone = (
        np.array(next(r for r in rows if r["data"] == TOY and r["name"] == n)["kl"])
        for n in (name, "rounded alone")
    )
    shares = 1.0 - own / alone
    return float(shares.mean()), float(shares.std() / np.sqrt(len(shares)))


def text_of(rows: Sequence[Row]) -> str:
    """Both tables and the curve, in Markdown."""
    parts = []
    if sizes := sizes_of(rows):
        lines = (
            (
                row["data"],
                row["name"],
                f"{8 * row['bytes'] / 1e6:.2f}",
                f"{row['distance']:.3g}",
                f"{ratios_of(rows, row['data'])[row['bits']]:.3f}",
            )
            for size in sizes
            for row in rows
            if row["data"] == size and 32 in ratios_of(rows, size)
        )
        parts.append(table(("model", "weights", "10⁶ bits", "FD", "ratio"), lines))
        parts.append(f"![distance over the bits of a model](images/{PICTURE})")
    toy = [row for row in rows if row["data"] == TOY]
    if toy:
        header = ("loss", "KL(teacher, student)", "same token", "recovered")
        parts.append(table(header, (_toy_line(rows, row) for row in toy)))
    return "\n\n".join(parts)


def _toy_line(rows: Sequence[Row], row: Row) -> list[str]:
    error = np.std(row["kl"]) / SEEDS**0.5
    return [
        row["name"],
        f"{np.mean(row['kl']):.4f} ± {error:.4f}",
        f"{np.mean(row['same']):.3f}",
        "{:.3f} ± {:.3f}".format(*recovered(rows, row["name"])),
    ]


def draw(rows: Sequence[Row], path: Path) -> None:
    """The curve of each size, on logarithmic axes."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4))
    for size in sizes_of(rows):
        own = sorted((r for r in rows if r["data"] == size), key=lambda r: r["bytes"])
        x, y = [8 * r["bytes"] / 1e6 for r in own], [r["distance"] for r in own]
        axes.plot(x, y, "o-", label=size)
        for row, a, b in zip(own, x, y, strict=True):
            axes.annotate(str(row["bits"]), (a, b), (3, 3), textcoords="offset points")
    axes.set(xscale="log", yscale="log")
    axes.margins(0.1)
    axes.set(xlabel="bits of the model [10⁶]", ylabel="Fréchet distance")
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def verdict(rows: Sequence[Row]) -> dict[str, Any] | None:
    """System 13: the trend over sizes, and what TopKLD recovers on the toy."""
    sizes = sizes_of(rows)
    if len(sizes) < 2 or not any(row["data"] == TOY for row in rows):
        return None
    at_four = [f"{ratios_of(rows, size).get(4, np.nan):.2f}" for size in sizes]
    share, forward = recovered(rows, _TOP[0]), recovered(rows, "forward KL")
    toy = f"TopKLD recovers {share[0]:.2f} ± {share[1]:.2f} of what rounding loses"
    return {
        "command": "python -m experiments.bit_scaling MODEL …",
        "figure": f"FD at 4 bits over float32: {', '.join(at_four)} for "
        f"{', '.join(sizes)}; a toy of tokens in 3 bits: {toy}, forward KL "
        f"{forward[0]:.2f}; token models are not built, so families are not compared",
        "holds": "undecided" if share[0] >= 0.5 else False,
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Measures what is not yet on record of each model, and writes the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="*", help="models; none: only the page")
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of pages")
    parser.add_argument("--work", type=Path, default=Path("runs/bit_scaling"))
    parser.add_argument("--pictures", type=int, default=1000, help="of each distance")
    words = parser.parse_args(argv)
    place = words.docs / "bit_scaling.json"
    if words.models:
        measure_toy(place)
    for model in words.models:
        measure(model, place, words.work, words.pictures)
    rows = read_record(place)
    if rows:
        draw(rows, words.docs / "images" / PICTURE)
    write_page(words.docs / "bit_scaling.md", "bit_scaling", text_of(rows))
    found = verdict(rows)
    if found and words.docs == DOCS:
        record_system(13, **found)


if __name__ == "__main__":
    main()
