"""Candidates in processes of their own, timed in turns."""

import contextlib
import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from tqdm import tqdm

if TYPE_CHECKING:  # whose settings an accelerator's machine need not have
    from benchmarks.cases import Case

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
LIMIT = "matmul"
PRODUCT = 2 * 2048**3  # operations of one turn of the limit
_TURN = 0.5  # seconds that a turn takes at least


class Candidate:
    """A process that lives as long as its case."""

    def __init__(self, name: str, python: str, case: dict) -> None:
        self.name = name
        paths = [str(HERE), str(HERE / "candidates"), str(ROOT)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        environment["TF_CPP_MIN_LOG_LEVEL"] = "3"
        environment["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # others run beside it
        if case["device"] == "cpu":
            environment["CUDA_VISIBLE_DEVICES"] = "-1"
        self.process = subprocess.Popen(
            [python, str(HERE / "candidates" / f"{name}.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self._tell(case)
        self.times = 0

    def ready(self) -> None:
        """Waits until it has what it needs, and sees how often its work fits a turn."""
        self._hear()
        once = self._ask({"times": 1})["seconds"]
        self.times = max(1, round(_TURN / once))

    def _ask(self, order: dict) -> dict:
        self._tell(order)
        return self._hear()

    def _tell(self, order: dict) -> None:
        assert self.process.stdin
        with contextlib.suppress(BrokenPipeError):  # it is heard of then
            self.process.stdin.write(json.dumps(order) + "\n")
            self.process.stdin.flush()

    def _hear(self) -> dict:
        assert self.process.stdout and self.process.stderr
        try:
            return json.loads(self.process.stdout.readline())
        except ValueError as error:
            said = self.process.stderr.read()[-2000:]
            raise RuntimeError(f"{self.name} ended:\n{said}") from error

    def turn(self) -> float:
        """Seconds of one piece of work."""
        return self._ask({"times": self.times})["seconds"] / self.times

    def close(self) -> float:
        """Ends the process; its peak memory [MiB]."""
        peak = self._ask({"times": 0})["peak_mib"]
        self.process.stdin.close()  # type: ignore[union-attr]
        self.process.wait()
        return peak


@dataclass
class Result:
    """Seconds of every turn, by candidate; all of one turn ran next to each other."""

    case: str
    batch: int
    flops: float  # of the whole piece of work; 0 where that tells nothing
    turns: dict[str, list[float]] = field(default_factory=dict)
    peak_mib: dict[str, float] = field(default_factory=dict)

    def seconds(self, name: str) -> float:
        """The median."""
        return median(self.turns[name])

    def over(self, name: str, other: str) -> float:
        """Median, turn by turn, of the time of one over the time of the other."""
        pairs = zip(self.turns[name], self.turns[other], strict=True)
        return median(a / b for a, b in pairs)


def run(
    case: "Case",
    flops: float,
    turns: int,
    pythons: dict[str, str],
    order: dict | None = None,
) -> Result:
    """Times the candidates of a case in turns, with the limit among them.

    Args:
      case: what is timed.
      flops: operations of the work; 0 leaves the limit out.
      turns: how often each candidate's turn comes.
      pythons: interpreter of each candidate; those without one are left out.
      order: what the candidates are given; by default the case on the processor.
    """
    limit = (LIMIT,) if flops else ()
    names = [name for name in (*limit, *case.candidates) if name in pythons]
    result = race(case.name, order or case.order(), names, turns, pythons)
    result.flops = flops
    if flops:
        result.turns[LIMIT] = [s * flops / PRODUCT for s in result.turns[LIMIT]]
    return result


def race(
    title: str,
    order: dict,
    names: Sequence[str],
    turns: int,
    pythons: dict[str, str],
) -> Result:
    """Times candidates in turns: seconds as each of them counts its work.

    Raises:
      RuntimeError: one of them fell; what it said.
    """
    result, running = Result(title, order["batch"], 0), []
    try:
        for name in names:  # all get ready at once
            running.append(Candidate(name, pythons[name], order))
        for one in running:
            one.ready()
        for _ in tqdm(range(turns), title, unit="turn"):
            for one in running:
                result.turns.setdefault(one.name, []).append(one.turn())
        result.peak_mib = {one.name: one.close() for one in running}
    finally:
        for one in running:
            one.process.kill()
    return result
