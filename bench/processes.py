"""Processes by their ids, as /proc tells of them."""

import os
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


def children(pid: int) -> list[int]:
    """The process and all below it."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        below = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        # It has ended meanwhile.
        return []
    return [pid] + [found for child in below for found in children(child)]


def own_cpu_seconds(pid: int) -> float:
    """User and system time of a process, and of those that it has waited for; of one that has ended, none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(int(field) for field in fields[11:15]) / TICK


def cpu_seconds(pid: int) -> float:
    """The same of a process and all below it."""
    return sum(own_cpu_seconds(member) for member in children(pid))
