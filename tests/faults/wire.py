"""The cable between network namespaces: a process that hands packets from one to the other, or holds or loses them.

Every namespace has one network device whose other end is a file here. Not every machine's kernel can delay and lose
packets by itself (`tc netem`); this needs nothing but tun devices, and treats each pair of addresses apart.
"""

import heapq
import json
import os
import random
import select
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass

_PACKET = 65_535
_AT_ONCE = 64
_VERSION_4 = 4


@dataclass(frozen=True, slots=True)
class Weather:
    """What becomes of packets on their way from one address to another."""

    delay: float = 0.0
    loss: float = 0.0


class Wire:
    """Forwards packets between devices, by the addresses in their heads."""

    def __init__(self, devices: Mapping[bytes, int], *, seed: int) -> None:
        """`devices` are files, open without blocking, by the address of their namespace."""
        self._devices = dict(devices)
        self._weather: dict[tuple[bytes, bytes], Weather] = {}
        self._chance = random.Random(seed)
        self._under_way: list[tuple[float, int, bytes]] = []
        self._number = 0

    def run(self, orders: int) -> None:
        """Until `orders` (a pipe that brings one weather on each line) is closed."""
        poll = select.epoll()
        for device in (*self._devices.values(), orders):
            poll.register(device, select.EPOLLIN)
        rest = b""
        while True:
            for file, _ in poll.poll(self._patience()):
                if file != orders:
                    self._forward(file)
                    continue
                read = os.read(orders, _PACKET)
                if not read:
                    return
                *lines, rest = (rest + read).split(b"\n")
                for line in lines:
                    self._obey(json.loads(line))
            self._deliver()

    def _obey(self, order: dict[str, str | float]) -> None:
        way = bytes.fromhex(str(order["from"])), bytes.fromhex(str(order["to"]))
        self._weather[way] = Weather(float(order["delay"]), float(order["loss"]))

    def _forward(self, device: int) -> None:
        for _ in range(_AT_ONCE):
            try:
                packet = os.read(device, _PACKET)
            except OSError:
                return
            if packet[0] >> 4 == _VERSION_4:
                self._route(packet)

    def _route(self, packet: bytes) -> None:
        weather = self._weather.get((packet[12:16], packet[16:20]))
        if weather is None:
            self._send(packet)
        elif self._chance.random() >= weather.loss:
            self._number += 1
            heapq.heappush(self._under_way, (time.monotonic() + weather.delay, self._number, packet))

    def _patience(self) -> float | None:
        return max(0.0, self._under_way[0][0] - time.monotonic()) if self._under_way else None

    def _deliver(self) -> None:
        while self._under_way and self._under_way[0][0] <= time.monotonic():
            self._send(heapq.heappop(self._under_way)[2])

    def _send(self, packet: bytes) -> None:
        device = self._devices.get(packet[16:20])
        if device is not None:
            try:
                os.write(device, packet)
            except OSError:
                return  # a device that is not up, or full: the packet is lost, as on any cable


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    files = {bytes.fromhex(address): file for address, file in given["devices"].items()}
    Wire(files, seed=given["seed"]).run(sys.stdin.fileno())
