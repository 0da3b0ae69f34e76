"""Every call of a writer that changes files fails once, or is its last: what is left?

Run with faults.c preloaded: python fault_injection.py FOLDER [HOW_MANY] [WRITERS…].
Prints one line of JSON for each writer: how many cases, and what went wrong in them.
"""

import ctypes
import errno
import json
import random
import shutil
import sys
from collections import Counter
from pathlib import Path

from pdm_tf.errors import InputError, explain

COUNT, ONE, FULL, DEAD = range(4)
WAYS = {
    "no room once": (ONE, errno.ENOSPC),
    "disk error once": (ONE, errno.EIO),
    "no room from then on": (FULL, errno.ENOSPC),
    "killed after it": (DEAD, errno.EIO),
}
faults = ctypes.CDLL(None)


class Writer:
    """Something that replaces what is in a folder.

    Attributes:
      begin: (folder) makes the old.
      write: (folder) makes the new of it.
      read: (folder) what is there, by our readers: equal for equal content.
    """

    def __init__(self, begin, write, read):
        self.begin, self.write, self.read = begin, write, read


def one_line(error):
    """Whether a command ends in one line by this error."""
    return isinstance(error, InputError) or explain(error) is not None


def try_case(writer, folder, template, how, call, states):
    """What goes wrong in one case: lost, mixed, silent, traceback; or nothing."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(template, folder, symlinks=True)
    kind, number = WAYS[how]
    error = None
    faults.faults_arm(str(folder).encode(), kind, call, number)
    try:
        writer.write(folder)
    except BaseException as caught:
        error = caught
    faults.faults_disarm()
    wrong = []
    if error is not None and kind != DEAD and not one_line(error):
        wrong.append(f"traceback {type(error).__name__}: {error}")
    wrong += judge(writer, folder, states, error is None and kind != DEAD)
    try:
        writer.write(folder)  # the same command again
        again = writer.read(folder)
    except Exception as caught:
        return [*wrong, f"does not go on: {caught!r}"]
    return wrong + ([] if again == states[1] else ["another end when repeated"])


def judge(writer, folder, states, finished):
    try:
        found = writer.read(folder)
    except Exception as caught:
        return [f"lost: {caught!r}"]
    if found not in states:
        return ["mixed"]
    return ["silent: said to be written"] if finished and found != states[1] else []


def inject(writer, folder, how_many, seed=0):
    """Tries all cases of a writer, or some of them; counts what went wrong."""
    template = folder.with_name("template")
    for path in (folder, template):
        shutil.rmtree(path, ignore_errors=True)
    template.mkdir(parents=True)
    writer.begin(template)
    shutil.copytree(template, folder, symlinks=True)
    old = writer.read(folder)
    faults.faults_arm(str(folder).encode(), COUNT, 0, 0)
    writer.write(folder)
    calls = faults.faults_disarm()
    states = old, writer.read(folder)
    assert states[0] != states[1] and calls
    cases = [(how, call) for how in WAYS for call in range(1, calls + 1)]
    if how_many:
        cases = random.Random(seed).sample(cases, min(how_many, len(cases)))
    found = Counter()
    examples = []
    for how, call in cases:
        for wrong in try_case(writer, folder, template, how, call, states):
            found[wrong.partition(":")[0].partition(" ")[0]] += 1
            examples.append(f"{how}, call {call}: {wrong}"[:300])
    return {
        "calls": calls,
        "cases": len(cases),
        "wrong": dict(found),
        "e": examples[:8],
    }


def main(folder, how_many="0", *names):
    from writers import WRITERS

    for name in names or WRITERS:
        result = inject(WRITERS[name](), Path(folder) / name, int(how_many))
        print(json.dumps({"writer": name, **result}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
