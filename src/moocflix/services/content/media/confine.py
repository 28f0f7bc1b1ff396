"""Limits on the process that opens what a stranger uploaded, set by that process on itself before it starts.

Run as a program it takes limits and a command, confines itself and becomes that command.
"""

import argparse
import ctypes
import errno
import os
import platform
import resource
import signal
import struct
import sys
from dataclasses import dataclass

from moocflix.platform.process import die_with_parent

_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2
_ALLOW = 0x7FFF0000
_REFUSE = 0x00050000 | errno.EPERM
# The audit number of the architecture, its call numbers of socket and io_uring_setup.
_CALLS = {"x86_64": (0xC000003E, 41, 425), "aarch64": (0xC00000B7, 198, 425)}
_X32_CALLS = 0x40000000


@dataclass(frozen=True, slots=True)
class Limits:
    """What a confined process may use: processor seconds, memory, the size of each file that it writes."""

    cpu_seconds: int
    memory_bytes: int
    file_bytes: int
    nice: int = 10

    def command(self, *command: str) -> list[str]:
        """The command line that runs `command` under these limits, as a child of this very process."""
        numbers = (self.cpu_seconds, self.memory_bytes, self.file_bytes, self.nice, os.getpid())
        return [sys.executable, "-I", "-m", __name__, *(str(number) for number in numbers), "--", *command]


def confine(limits: Limits) -> None:
    """Take the limits on, for this process and what it becomes; there is no way back."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_seconds, limits.cpu_seconds + 5))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits.file_bytes, limits.file_bytes))
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    os.nice(limits.nice)
    forbid_network()


def forbid_network() -> bool:
    """Have the kernel refuse every new socket to this process; False where it cannot (not Linux, an unknown machine).

    What is opened is local files in any case: ffmpeg gets no other protocol. This is the second lock on that door.
    """
    numbers = _CALLS.get(platform.machine())
    if numbers is None or not sys.platform.startswith("linux"):
        return False
    program = _filter(*numbers)
    code = ctypes.create_string_buffer(program, len(program))
    # A struct sock_fprog: the number of instructions, and where they are.
    description = struct.pack("@HP", len(program) // 8, ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    return bool(libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, description, 0, 0) == 0)


def _filter(architecture: int, *refused: int) -> bytes:
    """A program for the kernel: allow all calls but these, and none of another architecture's."""

    def instruction(code: int, yes: int, no: int, value: int) -> bytes:
        return struct.pack("=HBBI", code, yes, no, value)

    load, equal, at_least, answer = 0x20, 0x15, 0x35, 0x06
    checks = [instruction(equal, len(refused) - at, 0, number) for at, number in enumerate(refused)]
    return b"".join(
        [
            instruction(load, 0, 0, 4),
            instruction(equal, 0, len(refused) + 3, architecture),
            instruction(load, 0, 0, 0),
            instruction(at_least, len(refused) + 1, 0, _X32_CALLS),
            *checks,
            instruction(answer, 0, 0, _ALLOW),
            instruction(answer, 0, 0, _REFUSE),
        ]
    )


def main() -> None:
    """Confine this process, then become the command."""
    parser = argparse.ArgumentParser()
    for name in ("cpu_seconds", "memory_bytes", "file_bytes", "nice", "parent"):
        parser.add_argument(name, type=int)
    parser.add_argument("command", nargs="+")
    given = parser.parse_args()
    die_with_parent(signal.SIGKILL, parent=given.parent)
    confine(Limits(given.cpu_seconds, given.memory_bytes, given.file_bytes, given.nice))
    os.execv(given.command[0], given.command)  # noqa: S606 - it becomes a program that we ship, without a shell


if __name__ == "__main__":
    main()
