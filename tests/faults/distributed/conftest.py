"""An installation of its own, to break."""

from tests.distributed.conftest import spread, traces

__all__ = ["spread", "traces"]
