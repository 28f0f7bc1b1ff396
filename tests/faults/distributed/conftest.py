"""An installation of its own, to break."""

from tests.distributed.conftest import spread

__all__ = ["spread"]
