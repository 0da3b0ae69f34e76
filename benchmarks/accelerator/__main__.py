"""python -m benchmarks.accelerator: races prepared graphs against PyTorch, there.

Ends in time whatever happens: cases that no longer fit are left out and said, and each
result is written as it comes. The same command goes on.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import race

_PRODUCTS = {"cpu": 1, "gpu": 64}  # a turn: one is too short to be timed there
CANDIDATES = ("stablehlo", "pytorch", "pytorch_compiled")


def main(argv: Sequence[str] | None = None) -> None:
    """Races what was not raced yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("graphs", help="folder that prepare wrote")
    parser.add_argument("--out", default="results.json", help="file of the results")
    parser.add_argument(
        "--cases", nargs="*", help="such as call:lsun_church_p4:16:float32"
    )
    parser.add_argument("--candidates", nargs="*", default=CANDIDATES)
    parser.add_argument("--turns", type=int, default=5, help="turns of each candidate")
    parser.add_argument("--seconds", type=float, default=540, help="time of all [s]")
    parser.add_argument("--device", default="gpu", choices=["cpu", "gpu"])
    words = parser.parse_args(argv)
    out, end = Path(words.out), time.monotonic() + words.seconds
    results = json.loads(out.read_text()) if out.is_file() else []
    slowest = 0.0
    for about in _cases(Path(words.graphs), words.cases):
        if about["case"] in {result["case"] for result in results}:
            continue
        begun = time.monotonic()
        if begun + slowest > end:
            print(f"{about['case']}: no time is left", flush=True)
            continue
        results.append(_raced(about, words.device, words.turns, words.candidates))
        out.write_text(json.dumps(results, indent=1) + "\n")
        slowest = max(slowest, time.monotonic() - begun)
        print(row(results[-1]), flush=True)
    print(table(results))


def _cases(graphs: Path, wanted: Sequence[str] | None) -> list[dict]:
    """Descriptions as they were asked for, or in the order of their making."""
    files = sorted(graphs.glob("*.json"), key=lambda file: file.stat().st_mtime_ns)
    if not files:
        sys.exit(f"{graphs} holds no graphs; python -m benchmarks.accelerator.prepare")
    cases = {case["case"]: case for case in map(_read, files)}
    if missing := [name for name in wanted or () if name not in cases]:
        sys.exit(f"{graphs} holds no {missing[0]}; there are {', '.join(cases)}")
    return [cases[name] for name in wanted or cases]


def _read(file: Path) -> dict:
    case = json.loads(file.read_text())
    return {**case, "graph": str((file.parent / case["graph"]).resolve())}


def _raced(about: dict, device: str, turns: int, candidates: Sequence[str]) -> dict:
    """A result as plain data; one that fell says why, and the others race again."""
    order = {**about["order"], "device": device, "products": _PRODUCTS[device]}
    order |= {name: about[name] for name in ("graph", "arguments", "changed")}
    said = {"case": about["case"], "batch": order["batch"], "flops": about["flops"]}
    try:
        return said | _of_race(said, order, turns, candidates)
    except RuntimeError:
        for name in candidates:
            try:
                said |= _of_race(said, order, turns, [name])
            except RuntimeError as error:
                said[name] = {"fell": str(error)[-600:]}
    return said


def _of_race(said: dict, order: dict, turns: int, names: Sequence[str]) -> dict:
    """What some candidates do in one race, with a matrix product among them."""
    racing = ("torch_matmul", *names)
    pythons = dict.fromkeys(racing, sys.executable)
    found = race.race(said["case"], order, racing, turns, pythons)
    peak = order["products"] * race.PRODUCT / found.seconds("torch_matmul")
    return {
        name: {
            "seconds": found.seconds(name),
            "turns": found.turns[name],
            "pictures_a_second": said["batch"] / found.seconds(name),
            "share_of_products": said["flops"] / found.seconds(name) / peak,
            "teraflops_of_products": peak / 1e12,
            "peak_mib": found.peak_mib[name],
        }
        for name in names
    }


def row(result: dict) -> str:
    """A line of the table: for each candidate pictures/s, share of the peak, memory."""
    cells = [result["case"]]
    for name in CANDIDATES:
        one = result.get(name, {"fell": "left out"})
        cells.append(
            "fell"
            if "fell" in one
            else f"{one['pictures_a_second']:.4g} / {one['share_of_products']:.0%} / "
            f"{one['peak_mib']:,.0f}"
        )
    return "| " + " | ".join(cells) + " |"


def table(results: list[dict]) -> str:
    """Markdown: pictures a second / share of a matrix product's speed / MiB."""
    heads = ["case", *CANDIDATES]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    return "\n".join([*lines, *map(row, results)])


if __name__ == "__main__":
    main()
