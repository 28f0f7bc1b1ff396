"""What every process answers beside its services: its health, metrics, description and two pages."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from moocflix.platform.auth.access import ANYONE, services
from moocflix.platform.errors import NotFound
from moocflix.platform.health import Healths, Report
from moocflix.platform.http.address import asks_directly, came_by_proxy
from moocflix.platform.http.reply import Answer, Reply, bytes_reply, json_reply, reply
from moocflix.platform.http.request import Request
from moocflix.platform.http.routes import get
from moocflix.platform.metrics import Metrics
from moocflix.platform.networks import Networks
from moocflix.platform.service import Service

NAME = "platform"
_OPENAPI = "application/vnd.oai.openapi+json;version=3.1"
_HTML = "text/html"
THIS_MACHINE = ("127.0.0.1", "::1")


@dataclass(frozen=True, kw_only=True)
class System:
    """What these routes show; held in the context's parts."""

    health: Healths
    metrics: Metrics
    gauges: Callable[[Metrics], Any]
    """Fills in the numbers that are looked up when asked for."""
    metrics_from: Networks
    """Who may read them."""
    description: Callable[[], dict[str, Any]]
    home: Callable[[], tuple[bytes, str]]
    browser: Callable[[], tuple[bytes, str]]
    asset: Callable[[str], tuple[bytes, str] | None]
    content_policy: str


def _system(request: Request) -> System:
    return request.context.part(System)


@get("/health/live", who=ANYONE, rate="none", summary="Whether the process runs")
async def live() -> Answer:
    """200 as long as the process answers at all."""
    return json_reply({"status": "live"})


@get("/health/ready", who=ANYONE, rate="none", summary="Whether the process can serve")
async def ready(request: Request) -> Answer:
    """200 with the parts that are degraded, if any; 503 only while this process cannot serve.

    Through a proxy or the gateway it is of all services together, each named before its parts: 503 only while none of
    them can serve.
    """
    health = _system(request).health
    report = await (health.together if came_by_proxy(request.call) else health.alone).report()
    status = {"status": "ready" if report.ready else "unavailable", "degraded": report.degraded}
    return json_reply(status, status=200 if report.ready else 503)


@get("/internal/health", who=services("platform"), rate="none", summary="How a process is, for its neighbours")
async def health(request: Request) -> Reply[Report]:
    """The same with less time for each part, so that whoever asks several processes can wait for it."""
    return reply(await _system(request).health.hurried.report())


@get(
    "/metrics", who=ANYONE, rate="none", summary="Metrics for Prometheus", refusals=(404,), sends={200: ["text/plain"]}
)
async def metrics(request: Request) -> Answer:
    """The text format of Prometheus, for admins, this machine's programs and those of `http.metrics_from`.

    To everybody else, and to whoever comes through a proxy or the gateway, it is not there.
    """
    caller = request.maybe_caller
    system = _system(request)
    if not (caller and caller.is_admin) and not asks_directly(request.call, addresses=system.metrics_from):
        raise NotFound("There is nothing at this address.")
    await system.gauges(system.metrics)
    text, media_type = system.metrics.text()
    return bytes_reply(text, media_type=media_type)


@get("/openapi.json", who=ANYONE, summary="This description", sends={200: [_OPENAPI]})
async def openapi(request: Request) -> Answer:
    """The OpenAPI 3.1 description of all public routes."""
    body = msgspec.json.encode(_system(request).description())
    return bytes_reply(body, media_type=_OPENAPI)


@get("/", who=ANYONE, summary="What is running", sends={200: [_HTML]})
async def home(request: Request) -> Answer:
    """A small page for people."""
    return _page(request, _system(request).home())


@get("/docs", who=ANYONE, summary="The API browser", sends={200: [_HTML]})
async def browser(request: Request) -> Answer:
    """A page that shows the description and tries requests."""
    return _page(request, _system(request).browser())


@get(
    "/assets/{name:str}",
    who=ANYONE,
    summary="A file of the two pages",
    refusals=(404,),
    sends={200: ["text/css", "text/javascript", "image/svg+xml"]},
)
async def asset(request: Request, name: str) -> Answer:
    """Scripts and styles, served by the process itself."""
    found = _system(request).asset(name)
    if found is None:
        raise NotFound("There is no such file.")
    return bytes_reply(found[0], media_type=found[1], headers={"cache-control": "no-cache"})


def _page(request: Request, page: tuple[bytes, str]) -> Answer:
    policy = {"content-security-policy": _system(request).content_policy}
    return bytes_reply(page[0], media_type=page[1], headers=policy)


service = Service(
    name=NAME,
    summary="Health, metrics and this description.",
    migrations=Path(__file__).parent / "no-migrations",
    routes=(live, ready, health, metrics, openapi, home, browser, asset),
)
