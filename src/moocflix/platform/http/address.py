"""Where a request comes from."""

from moocflix.platform.http.call import Call
from moocflix.platform.networks import Networks

_LONGEST = 64
# What proxies add, trusted or not.
_FORWARDED = (b"x-forwarded-for", b"forwarded", b"x-real-ip", b"via")


def client_address(call: Call, *, trusted: Networks) -> str:
    """The peer's address; what a trusted proxy says of it, the nearest that is not such a proxy itself."""
    client = call.scope["client"]
    peer = client[0] if client else ""
    forwarded = call.header(b"x-forwarded-for") if peer in trusted else None
    if forwarded is None:
        return peer
    hops = [hop.strip() for hop in forwarded.split(",")]
    return next((hop[:_LONGEST] for hop in reversed(hops) if hop and hop not in trusted), peer)


def asks_directly(call: Call, *, addresses: Networks) -> bool:
    """Whether one of these addresses asks, and no proxy on it asks for somebody else."""
    client = call.scope["client"]
    return client is not None and client[0] in addresses and not came_by_proxy(call)


def came_by_proxy(call: Call) -> bool:
    """Whether a proxy, trusted or not, has passed this on."""
    return any(name in call.headers for name in _FORWARDED)
