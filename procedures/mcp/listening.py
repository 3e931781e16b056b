"""Tells a listening client that its tools changed: a grant was given or ended, a version accepted, an agent stopped."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
from mcp.server import ServerRequestContext
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import ToolsListChanged
from mcp_types import INTERNAL_ERROR, SubscriptionsListenRequestParams, SubscriptionsListenResult

from procedures.domain.canonical import digest
from procedures.domain.clock import now
from procedures.mcp import tools
from procedures.models import ApiToken

LOOK_S = 2.0
MOST = 32


class Listening:
    """Serves `subscriptions/listen`, one stream a call, a few at a time; each looks again every two seconds."""

    def __init__(
        self,
        token_of: Callable[[ServerRequestContext[Any, Any]], ApiToken],
        asked: Callable[..., Awaitable[Any]],
    ) -> None:
        self._token_of, self._asked, self._open = token_of, asked, 0

    async def __call__(
        self, context: ServerRequestContext[Any, Any], params: SubscriptionsListenRequestParams
    ) -> SubscriptionsListenResult:
        if self._open >= MOST:
            raise MCPError(INTERNAL_ERROR, "Too many clients listen; look at the list of tools again instead.")
        bus = InMemorySubscriptionBus()
        stream = ListenHandler(bus, max_subscriptions=1)
        self._open += 1
        token = self._token_of(context)
        try:
            first = await self._asked(token, _mark, token.pk)  # before the client hears that it listens
            async with anyio.create_task_group() as group:
                group.start_soon(self._watch, token, first, bus, stream)
                result = await stream(context, params)
                group.cancel_scope.cancel()
        finally:
            self._open -= 1
        return result

    async def _watch(
        self, token: ApiToken, last: str | None, bus: InMemorySubscriptionBus, stream: ListenHandler
    ) -> None:
        while True:
            await anyio.sleep(LOOK_S)
            mark = await self._asked(token, _mark, token.pk)
            if mark is None:
                stream.close()
                return
            if mark != last:
                last = mark
                await bus.publish(ToolsListChanged())


def _mark(token: Any) -> str | None:
    """A digest of the tools as they are, or None once the token is no more."""
    at = now()
    live = ApiToken.objects.filter(pk=token, revoked_at__isnull=True, expires_at__gt=at, person__is_active=True)
    row = live.select_related("person__owner").first()
    if row is None:
        return None
    return digest(
        [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools.tools_of(row.person)]
    )
