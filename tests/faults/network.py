"""A network of its own for a distributed platform: every part in a network namespace, every link to be cut or slowed.

The machine itself is one of its hosts, under the name `client`. Needs root, `ip` (iproute2) and tun devices.
"""

import fcntl
import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path
from typing import Self

from moocflix.platform.process import dying_with_me

CLIENT = "client"

_PREFIX = "moocflix"
_NETWORKS = 256
# Reserved for tests of networks (RFC 2544): nobody's real address. Each running network takes a part of 256 addresses.
_FIRST = IPv4Address("198.18.0.0")
_MTU = 60_000
_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_ROOT = Path(__file__).parents[2]


class Network:
    """Namespaces for `names`, and the wire between them. Nothing of it outlives the `with` block, nor this process."""

    def __init__(self, names: Sequence[str], *, seed: int = 0) -> None:
        """`seed` is for the packets that a bad link loses."""
        self._names = (CLIENT, *names)
        self._seed = seed
        self._number = 0
        self._devices: dict[str, int] = {}
        self._wire: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._take_number()
        try:
            # What is left of a run that was killed: its devices went with it, its namespaces did not.
            self._remove()
            for place, name in enumerate(self._names):
                self._connect(place, name)
            self._start_wire()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._wire is not None and self._wire.stdin is not None:
            self._wire.stdin.close()
            self._wire.wait(10)
        for device in self._devices.values():
            os.close(device)
        self._devices.clear()
        self._remove()

    def address(self, name: str) -> str:
        """Where a host is."""
        return str(_FIRST + 256 * self._number + 1 + self._names.index(name))

    def within(self, name: str, command: Sequence[str]) -> list[str]:
        """The command that runs `command` on a host; it becomes that process, under the same pid."""
        return list(command) if name == CLIENT else ["ip", "netns", "exec", self._namespace(name), *command]

    @contextmanager
    def cut(self, one: str, other: str, *, one_way: bool = False) -> Iterator[None]:
        """Nothing comes from one host to the other, nor back unless `one_way`; neither is told so."""
        with self._bad(one, other, delay=0.0, loss=1.0, one_way=one_way):
            yield

    @contextmanager
    def slowed(self, one: str, other: str, *, delay: float = 0.3, loss: float = 0.05) -> Iterator[None]:
        """Packets take `delay` seconds each way, and some get lost."""
        with self._bad(one, other, delay=delay, loss=loss, one_way=False):
            yield

    @contextmanager
    def _bad(self, one: str, other: str, *, delay: float, loss: float, one_way: bool) -> Iterator[None]:
        ways = [(one, other)] if one_way else [(one, other), (other, one)]
        for way in ways:
            self._order(*way, delay=delay, loss=loss)
        try:
            yield
        finally:
            for way in ways:
                self._order(*way, delay=0.0, loss=0.0)

    def _order(self, one: str, other: str, *, delay: float, loss: float) -> None:
        assert self._wire is not None
        assert self._wire.stdin is not None
        order = {"from": self._packed(one), "to": self._packed(other), "delay": delay, "loss": loss}
        self._wire.stdin.write(json.dumps(order).encode() + b"\n")
        self._wire.stdin.flush()

    def _packed(self, name: str) -> str:
        return IPv4Address(self.address(name)).packed.hex()

    def _namespace(self, name: str) -> str:
        return f"{_PREFIX}-{self._number}-{name}"

    def _take_number(self) -> None:
        """The machine's own device stands for the whole network: one name can be held once."""
        for number in range(_NETWORKS):
            try:
                self._devices[CLIENT] = _open_device(f"{_PREFIX}{number}")
            except OSError as error:
                if isinstance(error, PermissionError | FileNotFoundError):
                    raise
                continue
            self._number = number
            return
        raise RuntimeError(f"all {_NETWORKS} networks of tests are in use")

    def _connect(self, place: int, name: str) -> None:
        within: list[str] = []
        device = f"{_PREFIX}{self._number}"
        if name != CLIENT:
            self._devices[name] = _open_device(f"{device}.{place}")
            namespace = self._namespace(name)
            _ip("netns", "add", namespace)
            _ip("link", "set", f"{device}.{place}", "netns", namespace, "name", "eth0")
            within, device = ["-n", namespace], "eth0"
            _ip(*within, "link", "set", "lo", "up")
        _ip(*within, "address", "add", f"{self.address(name)}/24", "dev", device)
        _ip(*within, "link", "set", device, "up", "mtu", str(_MTU), "txqueuelen", "5000")

    def _start_wire(self) -> None:
        files = {self._packed(name): device for name, device in self._devices.items()}
        given = json.dumps({"devices": files, "seed": self._seed})
        self._wire = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.wire", given],
            stdin=subprocess.PIPE,
            pass_fds=tuple(files.values()),
            cwd=_ROOT,
            preexec_fn=dying_with_me(),  # noqa: PLW1509 - no threads hold locks that it needs
        )

    def _remove(self) -> None:
        listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout  # noqa: S607
        for line in listed.splitlines():
            namespace = line.split()[0]
            if namespace.startswith(f"{_PREFIX}-{self._number}-"):
                _ip("netns", "delete", namespace)


def _open_device(name: str) -> int:
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
    except OSError:
        os.close(device)
        raise
    return device


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)  # noqa: S607 - iproute2's, wherever it is
    if done.returncode != 0:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stderr.strip()}")
