"""Prometheus metrics of this process."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

_BOUNDS = [*(str(bound) for bound in BUCKETS), "+Inf"]
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

Place = tuple[str, str, str]
"""Service, method and route."""


class _Served:
    """What was answered at one place: how often with which status, and how fast."""

    __slots__ = ("buckets", "seconds", "statuses")

    def __init__(self) -> None:
        self.statuses: dict[int, int] = {}
        self.buckets = [0] * len(_BOUNDS)
        self.seconds = 0.0


class _Requests(Collector):
    """Counts requests in plain numbers and makes metrics of them when asked: counting is part of every request."""

    def __init__(self, own: Mapping[str, str]) -> None:
        self.places: dict[Place, _Served] = {}
        self._own = own

    def collect(self) -> Iterator[CounterMetricFamily | HistogramMetricFamily]:
        """The two families, by place."""
        labels = [*self._own, "service", "method", "route"]
        counter = CounterMetricFamily("moocflix_http_requests", "Requests answered.", labels=[*labels, "status"])
        timer = HistogramMetricFamily("moocflix_http_request_seconds", "Time from head to answer.", labels=labels)
        for found, served in self.places.items():
            place = [*self._own.values(), *found]
            for status, count in served.statuses.items():
                counter.add_metric([*place, str(status)], count)
            total, buckets = 0, []
            for bound, count in zip(_BOUNDS, served.buckets, strict=True):
                total += count
                buckets.append((bound, total))
            timer.add_metric(place, buckets=buckets, sum_value=served.seconds)
        yield counter
        yield timer


class Metrics:
    """The numbers of one process, in a registry of its own.

    `own` are labels that tell it from others behind the same address, for the numbers that are not everybody's.
    """

    def __init__(self, *, own: Mapping[str, str] | None = None) -> None:
        self.own = own or {}
        self.registry = CollectorRegistry()
        self._requests = _Requests(self.own)
        self.registry.register(self._requests)
        self._gauges: dict[str, Gauge] = {}

    def request(self, *, service: str, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request; `route` is the template, so that the number of series is bounded."""
        place = (service, method if method in _METHODS else "other", route)
        served = self._requests.places.get(place)
        if served is None:
            served = self._requests.places[place] = _Served()
        served.statuses[status] = served.statuses.get(status, 0) + 1
        served.buckets[bisect_left(BUCKETS, seconds)] += 1
        served.seconds += seconds

    def gauge(self, name: str, help_text: str, value: float, **labels: str) -> None:
        """Set a gauge; `name` without the platform's prefix."""
        gauge = self._gauges.get(name)
        if gauge is None:
            gauge = Gauge(f"moocflix_{name}", help_text, list(labels), registry=self.registry)
            self._gauges[name] = gauge
        (gauge.labels(**labels) if labels else gauge).set(value)

    def forget_gauges(self) -> None:
        """Before they are set anew: what cannot be known now is not to be shown as it was."""
        for gauge in self._gauges.values():
            self.registry.unregister(gauge)
        self._gauges = {}

    def text(self) -> tuple[bytes, str]:
        """All of them in the text format, and its media type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST
