"""How much memory an idle platform holds: the proportional set size (PSS) of all its processes, from /proc.

    .venv/bin/python -m bench.memory PID

PID is that of `moocflix up` or `moocflix distributed`. PSS counts a page that several processes share in parts, so
that the sum is what the machine would get back.
"""

import sys
from pathlib import Path

from bench.processes import children


def pss(pid: int) -> int:
    """Kilobytes."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def main() -> None:
    """Print a line for each process and the sum."""
    total = 0
    for pid in children(int(sys.argv[1])):
        size = pss(pid)
        total += size
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()[:90]
        print(f"{size / 1024:7.1f} MB  {pid:7}  {command}")
    print(f"{total / 1024:7.1f} MB  in all")


if __name__ == "__main__":
    main()
