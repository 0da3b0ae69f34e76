"""python -m benchmarks.memory: what patches save in memory, as a table.

The FFHQ network of the paper with patches of 1, 2, 4 and 8, one picture, float32: peak
of a fresh process beside the doctor's estimate; where that is beyond --limit, it alone.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.cases import ROOT

SIDES, PATCHES, WORKS = (256, 1024), (1, 2, 4, 8), ("sample", "train")


def look(side: int, patch: int, work: str, limit: float) -> tuple[int, int]:
    """Estimated and measured memory [MiB] of one cell; 0 where it is not measured."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cell.flags"
        path.write_text(
            f"--flagfile={ROOT}/configs/ffhq_1024.flags\n--precision=float32\n"
            f"--image_shape={side},{side},3\n--patch_size={patch}\n"
        )

        def ask(*words: str) -> tuple[int, int]:
            module = "pdm_tf.doctor.measured_memory"
            said = subprocess.run(
                [sys.executable, "-m", module, str(path), work, "1", *words],
                cwd=ROOT,
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            ).stdout.splitlines()[-1]
            estimate, measured = said.split()[:2]
            return int(estimate), int(measured)

        estimate, _ = ask("estimate")
        return ask() if estimate < limit else (estimate, 0)


def table(cells: dict[str, tuple[int, int]]) -> str:
    """Markdown: a row for each patch, GiB as estimated / as measured."""
    heads = [f"{work}, {side} px" for side in SIDES for work in WORKS]
    lines = ["| P | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for patch in PATCHES:
        row = [str(patch)]
        for side in SIDES:
            for work in WORKS:
                estimated, seen = cells.get(f"{side}:{patch}:{work}", (0, 0))
                right = f"{seen / 1024:.2f}" if seen else "–"
                row.append(f"{estimated / 1024:.2f} / {right}")
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measures cell by cell; stopped, it goes on where it was."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="runs/benchmarks", help="folder of results")
    parser.add_argument(
        "--limit", type=float, default=10_000, help="most that is measured [MiB]"
    )
    words = parser.parse_args()
    path = Path(words.out) / "memory.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = json.loads(path.read_text()) if path.exists() else {}
    for side in SIDES:
        for work in WORKS:
            for patch in reversed(PATCHES):
                name = f"{side}:{patch}:{work}"
                if name not in cells:
                    cells[name] = look(side, patch, work, words.limit)
                    print(name, cells[name], flush=True)
                    path.write_text(json.dumps(cells, indent=1))
    print(table(cells))


if __name__ == "__main__":
    main()
