"""python -m benchmarks: races the cases and writes a table, a picture and JSON."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import race, report
from benchmarks.cases import CASES, ENGINES, OURS, PEERS, RUNTIMES, Case

OWN = (OURS, "calls", "recipe")  # candidates that need no peer's environment


def count_work(case: Case) -> float:
    """Operations of a case; 0 where they say nothing of its time."""
    from pdm_tf.assemble.building import build_denoiser
    from pdm_tf.profiling.flops import count_denoise_flops

    # A training step is taken as three calls.
    calls = {"call": 1, "train": 3, "sample": case.steps}.get(case.work, 0)
    if not calls:
        return 0
    denoiser = build_denoiser(case.config())
    flops = count_denoise_flops(denoiser.network, denoiser.image_shape) or 0
    return calls * case.batch * flops


def main(argv: Sequence[str] | None = None) -> None:
    """Races what was not raced yet; a stopped race goes on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", help="such as call:mnist:1; all if none")
    parser.add_argument("--turns", type=int, default=7, help="turns of each candidate")
    parser.add_argument("--peers", default="", help="python of the peers' environment")
    parser.add_argument("--out", default="runs/benchmarks", help="folder of results")
    parser.add_argument("--again", action="store_true", help="forget earlier results")
    parser.add_argument("--device", default="cpu", choices=["cpu", "gpu"])
    parser.add_argument(
        "--precision", default="float32", choices=["float32", "mixed_bfloat16"]
    )
    parser.add_argument(
        "--without", nargs="*", default=[], help="candidates that are left out"
    )
    parser.add_argument("--page", default="", help="page that gets the tables too")
    words = parser.parse_args(argv)
    out, known = Path(words.out), {case.name: case for case in CASES}
    wrong = [name for name in words.cases if name not in known]
    if wrong:
        parser.error(f"no case {wrong[0]}; there are {', '.join(known)}")
    pythons = dict.fromkeys((race.LIMIT, *OWN), sys.executable)
    if words.device == "cpu":
        pythons.update(dict.fromkeys(RUNTIMES, sys.executable))
    if words.peers:
        pythons.update(dict.fromkeys(PEERS, words.peers))
        if words.device == "cpu":
            os.environ["PEERS_PYTHON"] = words.peers
            pythons.update(zip(ENGINES, (words.peers, sys.executable), strict=True))
    pythons = {k: v for k, v in pythons.items() if k not in words.without}
    wanted = words.cases or list(known)
    results = [r for r in report.load(out) if not (words.again and r.case in wanted)]
    for name in wanted:
        if name in {r.case for r in results}:
            continue
        case = known[name]
        order = case.order(words.device, words.precision)
        flops = count_work(case)
        results.append(race.run(case, flops, words.turns, pythons, order))
        report.save(sorted(results, key=lambda r: list(known).index(r.case)), out)
    if words.page:
        report.write_page(report.load(out), Path(words.page))
    print(report.first_table(report.load(out)))
    print(report.table(report.load(out)))
    print(f"look at {out}/picture.png")


if __name__ == "__main__":
    main()
