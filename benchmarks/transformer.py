"""Races JiT-B/16 at 256 pixels with the limit of products of matrices: docs/jit.md.

Its exports are written first, with --write, each by a process of its own; the race
then takes under five minutes. Weights are random, which costs no less.

Example: python -m benchmarks.transformer runs/transformer --write
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import race
from benchmarks.__main__ import count_work
from benchmarks.cases import OPENVINO, OURS, PEERS, Case
from experiments.pages import DOCS, table, write_record
from pdm_tf.storage.files import write_text

RIVALS = PEERS[:2]  # PyTorch as it is, and compiled
BEGIN, END = "<!-- race: python -m benchmarks.transformer -->", "<!-- end of race -->"
CASE = Case("jit_b16_imagenet256", "call", 1, (OURS, *OPENVINO, *RIVALS))
FLOAT32 = (OURS, "openvino_float32")  # of ours


def write_exports(order: dict[str, Any], folder: Path) -> None:
    """Writes what is missing of the exports that are raced."""
    sys.path[:0] = [str(race.HERE / "candidates")]
    from exported import write

    for name in OPENVINO:
        precision = name.removeprefix("openvino_")
        if not (folder / precision / "model.xml").is_file():
            print(f"writing {folder / precision} …", flush=True)
            write(order, "openvino", precision, folder / precision)


def row_of(result: race.Result, name: str) -> dict[str, Any]:
    """What the page says of a candidate: medians of ratios, and their range."""
    first = min((one for one in FLOAT32 if one in result.turns), key=result.seconds)

    def ratios(other: str) -> list[float]:
        pairs = zip(result.turns[name], result.turns[other], strict=True)
        return sorted(a / b for a, b in pairs)

    limit, ours = ratios(race.LIMIT), ratios(first)
    return {
        "candidate": name,
        "milliseconds": 1e3 * result.seconds(name),
        "over_limit": result.over(name, race.LIMIT),
        "over_limit_range": [limit[0], limit[-1]],
        "float32": first,
        "over_float32": result.over(name, first),
        "over_float32_range": [ours[0], ours[-1]],
        "turns": len(limit),
        "peak_mib": result.peak_mib[name],
    }


def text_of(rows: Sequence[dict[str, Any]]) -> str:
    """The table of the page; ranges are of single turns."""
    first = rows[0]["float32"]
    header = ("", "ms", "over the limit", "range", f"over {first}", "range", "MiB")
    return table(
        header,
        (
            (
                row["candidate"],
                f"{row['milliseconds']:.0f}",
                f"{row['over_limit']:.2f}",
                _range(row["over_limit_range"]),
                f"{row['over_float32']:.2f}",
                _range(row["over_float32_range"]),
                f"{row['peak_mib']:,.0f}",
            )
            for row in rows
        ),
    )


def _range(ends: Sequence[float]) -> str:
    return f"{ends[0]:.2f} to {ends[1]:.2f}"


def write_race(page: Path, text: str) -> None:
    """Puts the table between the two lines of a page that are there for it."""
    before, rest = page.read_text().split(BEGIN)
    write_text(page, f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.split(END)[1]}")


def main(argv: Sequence[str] | None = None) -> None:
    """Writes exports, or races and writes record and page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where exports and results go")
    parser.add_argument("--write", action="store_true", help="the exports alone")
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--peers", default="", help="python of the peers' environment")
    parser.add_argument("--without", nargs="*", default=[], help="left out")
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of pages")
    words = parser.parse_args(argv)
    order = CASE.order() | {"exports": str(words.folder)}
    if words.write:
        write_exports(order, words.folder)
        return
    pythons = dict.fromkeys((race.LIMIT, OURS, *OPENVINO), sys.executable)
    if words.peers:
        pythons |= dict.fromkeys(RIVALS, words.peers)
    pythons = {k: v for k, v in pythons.items() if k not in words.without}
    result = race.run(CASE, count_work(CASE), words.turns, pythons, order)
    rows = [row_of(result, name) for name in result.turns]
    print(text_of(rows))
    write_record(words.docs / "transformer.json", rows)
    write_race(words.docs / "jit.md", text_of(rows))


if __name__ == "__main__":
    main()
