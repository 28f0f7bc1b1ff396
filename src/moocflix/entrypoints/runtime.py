"""One process of the platform: its services with all that they need, put together in one place."""

import asyncio
import contextlib
import gc
import os
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any
from uuid import UUID

from moocflix import __version__
from moocflix.entrypoints import checks
from moocflix.entrypoints.addresses import ServiceClients
from moocflix.platform import spans
from moocflix.platform.auth.published import REVOCATIONS_CHANNEL
from moocflix.platform.auth.service_tokens import ServiceKeys, ServiceTokenSigner, ServiceTokenVerifier
from moocflix.platform.auth.watch import TokenWatch, UsersService
from moocflix.platform.background import Background
from moocflix.platform.cache.limiter import open_limiter
from moocflix.platform.cache.valkey import open_valkey
from moocflix.platform.client import InternalClient
from moocflix.platform.database.listener import listen
from moocflix.platform.database.pool import Pool
from moocflix.platform.database.transaction import Database
from moocflix.platform.database.urls import DatabaseUrls
from moocflix.platform.errors import Unavailable
from moocflix.platform.events import copies
from moocflix.platform.events.settings import EventsSettings
from moocflix.platform.events.unsent import unsent
from moocflix.platform.events.wakeups import CHANNEL as OUTBOX_CHANNEL
from moocflix.platform.events.wakeups import Wakeups
from moocflix.platform.gauges import set_gauges, set_outbox
from moocflix.platform.health import Healths
from moocflix.platform.http import system
from moocflix.platform.http.app import framework
from moocflix.platform.http.edge import Edge, EdgeParts
from moocflix.platform.http.identify import Identify
from moocflix.platform.http.kept_pages import MemoryPages, open_pages
from moocflix.platform.http.openapi import description
from moocflix.platform.metrics import Metrics
from moocflix.platform.migrations import check_code
from moocflix.platform.networks import Networks
from moocflix.platform.secrets import Secrets
from moocflix.platform.service import Service, ServiceContext
from moocflix.platform.settings import DatabaseSettings, HttpSettings, PlatformSettings, Settings
from moocflix.platform.storage.stores import open_storage
from moocflix.web import pages

_RELEASE_EVERY = 15.0
# As whom a process asks for keys and revocations.
ASKER = "platform"


class Runtime:
    """The services of one process. `public` and `internal` are its two ASGI applications."""

    def __init__(
        self,
        settings: Settings,
        services: Sequence[Service],
        urls: DatabaseUrls,
        *,
        answers: bool = True,
        platform: Sequence[Service] = (),
    ) -> None:
        """Nothing is connected before `start`. Raises SettingsError.

        Internal calls to `services` stay in this process, unless others answer for them and `answers` is False.
        `platform` are all the services of the installation, where these are only some.
        """
        self.settings = settings
        self.services = tuple(services)
        http = settings.of(HttpSettings)
        # Whose numbers they are is chance where several share the port; else a restart would begin them all anew.
        self.metrics = Metrics(own={"process": str(os.getpid())} if http.workers > 1 else None)
        self._urls = urls
        self._secrets = Secrets.of(settings)
        self._service_keys = ServiceKeys.of(self._secrets)
        self._pools: list[Pool] = []
        self._background = Background()
        self._asked_for_gauges = asyncio.Lock()
        self._platform = tuple(platform) or self.services
        log_urls = {service.name: urls.bus_of(service.name) for service in self.services}
        self._logs = {url: Database(self._pool(url, size=1), source=system.NAME) for url in set(log_urls.values())}
        self._log_of = {name: self._logs[url] for name, url in log_urls.items()}
        wakeups = {url: Wakeups(url) for url in self._logs}
        self._wakeups = {name: wakeups[url] for name, url in log_urls.items()}
        self._storage = open_storage(settings)
        self._valkey = open_valkey(settings)
        self._limiter = open_limiter(self._valkey)
        self.pages = open_pages(self._valkey, seconds=http.cache_seconds)
        here = [service.name for service in self.services] if answers else []
        self._service_clients = ServiceClients(settings, here=here, internal=self._to_internal)
        self.contexts = {service.name: self._context(service) for service in self.services}
        self.watch = TokenWatch(
            UsersService(self._client(ASKER, "users")),
            databases=[context.database for context in self.contexts.values()],
        )
        for context in self.contexts.values():
            # For tokens of a service's own, such as those of a player.
            context.keep(self.watch.revocations)
        self._add_system()
        self._assemble()

    async def start(self, *, broadcasts: bool = True) -> None:
        """Set the services up and load who may not come in; `broadcasts` keeps it all fresh from then on.

        Raises MigrationError where newer code has made the data, SecretMissing where a key of a service is, and
        Unavailable where the data cannot be reached.
        """
        # Before the first connection, which would run its statements untraced for as long as it lives.
        spans.start(self.settings, name="-".join(["moocflix", *(self.contexts if len(self.contexts) == 1 else ())]))
        for service in self.services:
            await check_code(self.contexts[service.name].database.reader, service.name)
        # Now, not at the first call: a key that is missing, or a disk that is full by then, would have it fail.
        for name in (ASKER, *self.contexts):
            self._service_keys.private(name)
        for service in self.services:
            if service.setup is not None:
                await service.setup(self.contexts[service.name])
        await self.watch.start()
        self._background.start(self._release_idle())
        if broadcasts:
            self._background.start(self.watch.run())
            channels = {OUTBOX_CHANNEL: self.pages.drop, REVOCATIONS_CHANNEL: lambda _payload: self.watch.nudge()}
            for url in {self._urls.listener_of(service.name) for service in self.services}:
                self._background.start(listen(url, channels))
        gc.collect()
        gc.freeze()

    async def stop(self) -> None:
        """Let go of everything. Raises what any work in the background has failed with."""
        try:
            await self._background.stop()
        finally:
            await self._close()

    async def _close(self) -> None:
        for wakeups in set(self._wakeups.values()):
            await wakeups.close()
        await self._service_clients.close()
        if self._valkey is not None:
            await self._valkey.close()
        await spans.stop()
        await asyncio.gather(*(pool.close() for pool in self._pools))

    def wake(self, source: str) -> None:
        """A commit of `source` has left events: its pages are stale, and consumers have something to do."""
        self.pages.drop(source)
        self._wakeups[source].wake(source)

    def _context(self, service: Service) -> ServiceContext:
        pool = self._pool(self._urls.service(service.name))
        return ServiceContext(
            name=service.name,
            settings=self.settings,
            database=Database(pool, source=service.name, wake=self.wake),
            storage=self._storage,
            http=self._clients(service.name),
        )

    def _pool(self, dsn: str, *, size: int | None = None) -> Pool:
        settings = self.settings.of(DatabaseSettings)
        pool = Pool(
            dsn,
            size=size or settings.pool_size,
            idle_seconds=settings.idle_seconds,
            statement_seconds=settings.statement_seconds,
        )
        self._pools.append(pool)
        return pool

    def _clients(self, caller: str) -> Callable[[str], InternalClient]:
        @cache
        def client(target: str) -> InternalClient:
            return self._client(caller, target)

        return client

    def _client(self, caller: str, process: str, *, target: str = "") -> InternalClient:
        signer = ServiceTokenSigner(caller, self._service_keys)
        return InternalClient(self._service_clients.client(process), target=target or process, signer=signer)

    async def _to_internal(self, scope: Any, receive: Any, send: Any) -> None:
        await self.internal(scope, receive, send)

    def _add_system(self) -> None:
        database = next(iter(self._log_of.values()))
        context = ServiceContext(
            name=system.NAME, settings=self.settings, database=database, storage=self._storage,
            http=self._clients(system.NAME),
        )  # fmt: skip
        running = system.System(
            health=self._healths(),
            metrics=self.metrics,
            gauges=self._gauges,
            metrics_from=Networks([*system.THIS_MACHINE, *self.settings.of(HttpSettings).metrics_from]),
            description=cache(self._description),
            home=self._home,
            browser=pages.api_browser,
            asset=pages.asset,
            content_policy=pages.CONTENT_SECURITY_POLICY,
        )
        context.keep(running)
        self._system_context = context

    def _healths(self) -> Healths:
        others = {
            "storage": self._storage.fault,
            "revocations": self.watch.fault,
            **({} if self._valkey is None else {"rate limits": self._valkey.fault}),
            **checks.of_outboxes(self.settings, self.contexts),
        }
        vital = {"keys of tokens": self.watch.keys_missing, **checks.of_databases(self.contexts)}
        elsewhere = [service.name for service in self._platform if service.name not in self.contexts]
        neighbours = checks.of_neighbours({name: self._client(ASKER, name, target=system.NAME) for name in elsewhere})
        return Healths.of(vital=vital, others=others, name=", ".join(self.contexts), neighbours=neighbours)

    def _assemble(self) -> None:
        self._app = framework((*self.services, system.service))
        settings = self.settings.of(HttpSettings)
        platform = self.settings.of(PlatformSettings)
        identify = Identify(self.watch.verifier, ServiceTokenVerifier(self._service_keys))

        def edge(*, internal: bool) -> Edge:
            parts = EdgeParts(
                settings=settings,
                contexts={**self.contexts, system.NAME: self._system_context},
                identify=identify,
                limiter=self._limiter,
                # A kept page is not looked for among the routes, and internal calls may not see the public ones.
                pages=MemoryPages(seconds=0) if internal else self.pages,
                metrics=self.metrics,
                fill_copy=self.fill_copy,
                fingerprint_secret=self._secrets.key("platform", purpose="idempotency fingerprints"),
                internal=internal,
                secure=platform.public_url.startswith("https://"),
            )
            return Edge(self._app, parts)

        self.public = edge(internal=False)
        self.internal = edge(internal=True)

    async def fill_copy(self, context: ServiceContext, entity: str, entity_id: UUID) -> bool:
        """Fetch one missing copy from its owner; False where the owner has none."""
        service = next(service for service in self.services if service.name == context.name)
        return await copies.fill(service, context, entity, entity_id)

    async def _gauges(self, metrics: Metrics) -> None:
        # One at a time: between these steps they are not all there.
        async with self._asked_for_gauges:
            metrics.forget_gauges()
            self._set_connections(metrics)
            relayed = self.settings.of(EventsSettings).bus != "postgres"
            logs = {} if relayed else {name: log.reader for name, log in self._log_of.items()}
            await set_gauges(metrics, self.services, self.contexts, logs, platform=self._platform)
            for name, context in self.contexts.items() if relayed else ():
                with contextlib.suppress(Unavailable):
                    set_outbox(metrics, name, await unsent(context.database.reader))

    def _set_connections(self, metrics: Metrics) -> None:
        for name, context in self.contexts.items():
            pool = context.database.pool
            for state, number in (("open", pool.open), ("idle", pool.idle), ("waiting", pool.waiting)):
                metrics.gauge(
                    "database_connections", "Connections of this process.", number,
                    **metrics.own, service=name, state=state,
                )  # fmt: skip

    def _description(self) -> dict[str, Any]:
        """Of the whole installation: whoever asks at its gateway does not know which process answers."""
        whole = self._platform == self.services
        return description(self._app if whole else framework((*self._platform, system.service)))

    def _home(self) -> tuple[bytes, str]:
        settings = self.settings.of(PlatformSettings)
        http = self.settings.of(HttpSettings)
        return pages.home(
            version=__version__,
            mode="embedded" if self._platform == self.services else "distributed",
            address=settings.public_url or f"http://{http.host}:{http.port}",
            services=[(service.name, service.summary) for service in self._platform],
        )

    async def _release_idle(self) -> None:
        while True:
            await asyncio.sleep(_RELEASE_EVERY)
            for pool in self._pools:
                pool.release_idle()
