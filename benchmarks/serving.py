"""A candidate's side of the race: given a case, it runs it as often as it is asked.

Orders come as lines of JSON on standard input and are answered on standard output,
so that every candidate may live in an environment of its own.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path


def serve(
    make: Callable[[dict], Callable[[], object]], peak: Callable[[], float] = lambda: 0
) -> None:
    """Answers orders until the input ends.

    Args:
      make: turns a case into a function that does its work once and waits for it.
      peak: MiB that a device of its own took at most; 0: the process's count.
    """
    # Libraries print; what they print must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    run: Callable[[], object] = lambda: None  # noqa: E731
    for line in sys.stdin:
        order = json.loads(line)
        begun = time.perf_counter()
        if "network" in order:
            run = make(order)
            for _ in range(2):  # traces and allocates
                run()
        else:
            for _ in range(order["times"]):
                run()
        seconds = time.perf_counter() - begun
        most = peak() or _peak_mib()
        print(json.dumps({"seconds": seconds, "peak_mib": most}), file=answers)
        answers.flush()


def _peak_mib() -> float:
    """Most memory of this process; where Linux says so, its parent's is not in it."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
