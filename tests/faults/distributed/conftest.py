"""An installation of its own, to break."""

from tests.distributed.conftest import spread, traces
from tests.distributed.needs import no_networks

__all__ = ["spread", "traces"]

# Not every machine, and not everybody, may make networks; `make test-distributed` says so where it is left out.
collect_ignore = ["test_network.py"] if no_networks() else []
