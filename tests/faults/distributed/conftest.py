"""An installation of its own, to break."""

import pytest

from tests.distributed.conftest import spread, traces
from tests.distributed.needs import no_networks

__all__ = ["spread", "traces"]

# Not every machine, and not everybody, may make networks.
_LEFT_OUT = no_networks()
collect_ignore = ["test_network.py"] if _LEFT_OUT else []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Nobody is to take what was left out for what has passed."""
    if _LEFT_OUT:
        terminalreporter.write_line(_LEFT_OUT)
