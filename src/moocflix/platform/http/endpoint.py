"""A route's handler, run with the framework's parameters but without its way there.

Its middleware stack, its exit stack and its messages take longer than most handlers do, and the edge has use for none.
"""

from typing import Any

from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from moocflix.platform.http.call import CALL, Call
from moocflix.platform.http.reply import Answer
from moocflix.platform.http.request import Request
from moocflix.platform.http.routes import Route, route_of
from moocflix.platform.service import ServiceContext


class Endpoint:
    """What answers one method of one path."""

    __slots__ = ("_parameters", "_run", "_signature", "context", "route", "template")

    def __init__(
        self, handler: HTTPRouteHandler, parameters: Any, *, route: Route, template: str, context: ServiceContext
    ) -> None:
        """`parameters` is the framework's model of where the handler's arguments come from."""
        self._run = handler.fn
        self._signature: Any = handler.signature_model
        self._parameters = parameters
        self.route = route
        self.template = template
        self.context = context

    async def run(self, call: Call) -> Answer:
        """The handler's answer. Raises what it raises, and ValidationException for parameters that do not fit."""
        scope: Any = call.scope
        scope[CALL] = call
        try:
            request = Request(scope, call.receive, call.send)
            given = await self._parameters.to_kwargs(connection=request)
            arguments = self._signature.parse_values_from_connection_kwargs(connection=request, kwargs=given)
            answer: Answer = await self._run(**arguments)
        finally:
            # Or call and scope would keep each other alive, until somebody looks for such circles.
            del scope[CALL]
        return answer


def endpoints(app: Litestar, contexts: Any) -> dict[tuple[str, str], Endpoint]:
    """What the services answer, by path template and method."""
    return {
        (path.path_format, method): Endpoint(
            handler, parameters, route=route, template=path.path_format, context=contexts[handler.opt["service"]]
        )
        for path in app.routes
        if isinstance(path, HTTPRoute)
        for method, (handler, parameters) in path.route_handler_map.items()
        if (route := route_of(handler)) is not None
    }
