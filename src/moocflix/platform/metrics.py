"""Prometheus metrics of this process."""

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """The numbers of one process, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "moocflix_http_requests", "Requests answered.", ["service", "method", "route", "status"],
            registry=self.registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "moocflix_http_request_seconds", "Time from head to answer.", ["service", "method", "route"],
            buckets=BUCKETS, registry=self.registry,
        )  # fmt: skip
        self._gauges: dict[str, Gauge] = {}
        self._counters: dict[tuple[str, str, str, int], Any] = {}
        self._timers: dict[tuple[str, str, str], Any] = {}

    def request(self, *, service: str, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request; `route` is the template, so that the number of series is bounded."""
        place = (service, method if method in _METHODS else "other", route)
        counter = self._counters.get((*place, status))
        if counter is None:
            counter = self._counters[(*place, status)] = self._requests.labels(*place, str(status))
        timer = self._timers.get(place)
        if timer is None:
            timer = self._timers[place] = self._seconds.labels(*place)
        counter.inc()
        timer.observe(seconds)

    def gauge(self, name: str, help_text: str, value: float, **labels: str) -> None:
        """Set a gauge; `name` without the platform's prefix."""
        gauge = self._gauges.get(name)
        if gauge is None:
            gauge = Gauge(f"moocflix_{name}", help_text, list(labels), registry=self.registry)
            self._gauges[name] = gauge
        (gauge.labels(**labels) if labels else gauge).set(value)

    def text(self) -> tuple[bytes, str]:
        """All of them in the text format, and its media type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST
