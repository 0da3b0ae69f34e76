"""python -m benchmarks: races the cases and writes a table, a picture and JSON."""

import argparse
import sys
from pathlib import Path

from benchmarks import race, report
from benchmarks.cases import CASES, ROOT, Case

PEERS = ("pytorch", "diffusers_unet")


def count_work(case: Case) -> float:
    """Operations of a case; a training step is taken as three calls."""
    from dataclasses import replace

    from pdm_tf import flags
    from pdm_tf.assemble.building import build_denoiser
    from pdm_tf.assemble.plan import count_flops
    from pdm_tf.config import Config

    path = ROOT / "configs" / f"{case.flagfile}.flags"
    (config,) = flags.parse(["", f"--flagfile={path}"], Config)
    config = replace(config, network=replace(config.network, precision="float32"))
    return (
        count_flops(build_denoiser(config)) * case.batch * (1, 3)[case.work == "train"]
    )


def main() -> None:
    """Races what was not raced yet; a stopped race goes on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", help="such as call:mnist:1; all if none")
    parser.add_argument("--turns", type=int, default=7, help="turns of each candidate")
    parser.add_argument("--peers", default="", help="python of the peers' environment")
    parser.add_argument("--out", default="runs/benchmarks", help="folder of results")
    parser.add_argument("--again", action="store_true", help="forget earlier results")
    words = parser.parse_args()
    out, known = Path(words.out), {case.name: case for case in CASES}
    wrong = [name for name in words.cases if name not in known]
    if wrong:
        parser.error(f"no case {wrong[0]}; there are {', '.join(known)}")
    pythons = dict.fromkeys((race.LIMIT, report.OURS), sys.executable)
    if words.peers:
        pythons.update(dict.fromkeys(PEERS, words.peers))
    wanted = words.cases or list(known)
    results = [r for r in report.load(out) if not (words.again and r.case in wanted)]
    for name in wanted:
        if name in {r.case for r in results}:
            continue
        case = known[name]
        results.append(race.run(case, count_work(case), words.turns, pythons))
        report.save(sorted(results, key=lambda r: list(known).index(r.case)), out)
    print(report.table(report.load(out)))
    print(f"look at {out}/picture.png")


if __name__ == "__main__":
    main()
