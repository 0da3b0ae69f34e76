"""How much memory this machine has, and how much of it is free."""

import os
from pathlib import Path

_MEMINFO = Path("/proc/meminfo")
_LIMITS = (  # of a container: version 2 and 1 of control groups
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def memory_bytes() -> int:
    """Bytes of memory that a process may have here at most; 0 where it is not known."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 0
    for limit in _LIMITS:
        text = _read(limit).strip()
        if text.isdecimal():
            total = min(total, int(text))
    return total


def free_bytes() -> int:
    """Bytes that are free now; 0 where it is not known."""
    for line in _read(_MEMINFO).splitlines():
        name, _, rest = line.partition(":")
        if name == "MemAvailable":
            return min(int(rest.split()[0]) * 1024, memory_bytes())
    return 0


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
