"""Addresses and networks that a setting names."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

_LONGEST = 64
_KEEP = 1000
_LINE_BITS = 64
"""Of an IPv6 address: what one line is given at the least, so that whoever has one has all that begin with them."""
_MAPPED_BITS = 96
"""Of `::ffff:0:0/96`, in which IPv6 tells of IPv4 (RFC 4291, 2.5.5.2)."""


class Networks:
    """Some addresses and networks (`10.0.0.0/8`, `2001:db8::/32`). An address is `in` them, given as text.

    Asked at every request, so what the last ones came from is remembered.
    """

    def __init__(self, parts: Iterable[str]) -> None:
        """Raises ValueError, with a sentence, for what is neither."""
        self._networks = [_network(part) for part in parts]
        self._found: dict[str, bool] = {}

    def __contains__(self, address: str) -> bool:
        """Whether it is in one of them; what is no address is in none."""
        found = self._found.get(address)
        if found is None:
            found = self._find(address)
            if len(self._found) >= _KEEP:
                self._found.clear()
            if len(address) <= _LONGEST:
                self._found[address] = found
        return found

    def _find(self, text: str) -> bool:
        try:
            address = _plain(ip_address(text))
        except ValueError:
            return False
        return any(address in network for network in self._networks)


def line_of(address: str) -> str:
    """What an address is counted as: itself, or its network where it is one of IPv6; what is no address, as it is."""
    if ":" not in address:
        return address
    try:
        plain = _plain(ip_address(address))
    except ValueError:
        return address
    if isinstance(plain, IPv4Address):
        return str(plain)
    return str(ip_network((int(plain), _LINE_BITS), strict=False))


def _network(part: str) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(part)
    except ValueError as error:
        raise ValueError(f"{error}; expected an address or a network such as 10.0.0.0/8") from None
    first = _plain(network.network_address)
    if first.version == network.version or network.prefixlen < _MAPPED_BITS:
        return network
    return ip_network((int(first), network.prefixlen - _MAPPED_BITS))


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """An IPv4 address as such, also where a listener for both kinds tells it as one of IPv6."""
    return getattr(address, "ipv4_mapped", None) or address
