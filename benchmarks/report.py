"""Results -> table, picture, JSON."""

import json
from dataclasses import asdict
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from benchmarks.cases import ENGINES, OURS, PEERS
from benchmarks.race import LIMIT, Result

EXPORTS = (OURS, "litert_float32", "openvino_float32")  # of ours, all in float32
BEGIN, END = "<!-- races: python -m benchmarks -->", "<!-- end of races -->"


def table(results: list[Result]) -> str:
    """Markdown: time over the limit for each candidate, ratios, memory."""
    names = _names(results)
    heads = ["case", "GFLOP", "ms", *(f"{n} / limit" for n in names), "ahead", "MiB"]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for r in results:
        over = [
            f"{r.over(n, LIMIT):.2f}" if {n, LIMIT} <= r.turns.keys() else "–"
            for n in names
        ]
        ahead = [r.over(n, OURS) for n in PEERS if n in r.turns]
        work = f"{r.flops / 1e9:.4g}" if r.flops else "–"
        row = [r.case, work, f"{1e3 * r.seconds(OURS):.1f}", *over]
        row += [f"{min(ahead):.2f}×" if ahead else "–", f"{r.peak_mib[OURS]:,.0f}"]
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines)


def _names(results: list[Result]) -> list[str]:
    found = {name for r in results for name in r.turns} - {LIMIT, OURS}
    return [OURS, *sorted(found)]


def save_picture(results: list[Result], path: Path) -> None:
    """Bars: time over the limit, which is 1."""
    results = [r for r in results if LIMIT in r.turns]
    names = _names(results)
    figure, axes = plt.subplots(figsize=(8, 0.6 * len(results) + 1.5))
    height = 0.8 / len(names)
    for k, name in enumerate(names):
        rows = [(i, r) for i, r in enumerate(results) if name in r.turns]
        axes.barh(
            [i + k * height for i, _ in rows],
            [r.over(name, LIMIT) for _, r in rows],
            height,
            label=name,
        )
    axes.axvline(1.0, color="black", linewidth=1)
    axes.set_yticks([i + 0.4 - height / 2 for i in range(len(results))])
    axes.set_yticklabels([r.case for r in results])
    axes.invert_yaxis()
    axes.set_xlabel("time over a matrix product of as many operations")
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def save(results: list[Result], out: Path) -> None:
    """Writes results.json, table.md and picture.png below a folder."""
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps([asdict(r) for r in results], indent=1)
    (out / "results.json").write_text(text + "\n")
    (out / "table.md").write_text(table(results) + "\n")
    save_picture(results, out / "picture.png")


def load(out: Path) -> list[Result]:
    """What an earlier run saved."""
    path = out / "results.json"
    if not path.is_file():
        return []
    return [Result(**r) for r in json.loads(path.read_text())]


def first_table(results: list[Result]) -> str:
    """Markdown: the fastest of ours and of the peers in float32, and their ratio.

    The fastest is the one of the smallest median; the ratio is taken turn by turn.
    """
    head = "| case | fastest of ours | ms | fastest peer | ms | ours over it |"
    lines = [head, "|---" * 6 + "|"]
    for r in results:
        own = [name for name in EXPORTS if name in r.turns]
        peers = [name for name in (*PEERS, *ENGINES) if name in r.turns]
        if not own or not peers:
            continue
        first, peer = (min(names, key=r.seconds) for names in (own, peers))
        times = [f"{1e3 * r.seconds(name):.1f}" for name in (first, peer)]
        ratio = f"{r.over(first, peer):.2f}"
        lines.append(
            f"| {r.case} | {first} | {times[0]} | {peer} | {times[1]} | {ratio} |"
        )
    return "\n".join(lines)


def write_page(results: list[Result], page: Path) -> None:
    """Puts the tables between the two lines of a page that are there for them.

    Who is first in calls, who is first in training steps, and all there is of both.
    """
    before, rest = page.read_text().split(BEGIN)
    after = rest.split(END)[1]
    works = ("call", "train")
    parts = [[r for r in results if r.case.startswith(f"{w}:")] for w in works]
    tables = [first_table(part) for part in parts if part] + [table(results)]
    page.write_text("\n\n".join([before + BEGIN, *tables, END + after]))
