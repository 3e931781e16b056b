"""The web process as uvicorn starts it. ASGI, because live logs hold their connection open."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "opsportal.settings")

from asgiref.sync import ThreadSensitiveContext
from django.core.asgi import get_asgi_application

from opsportal.loading import unsearched

with unsearched():
    pages = get_asgi_application()

    from opsportal.checks import refuse_keys_in_sight, refuse_unsafe_start
    from procedures import mcp

    refuse_unsafe_start()
    refuse_keys_in_sight()
    from opsportal import urls  # noqa: F401 - here, so that who asks first need not wait for every page to load


@cache
def agents() -> Any:
    """The agents' door, made when the first agent comes: its libraries take a second to load."""
    from procedures.mcp.door import Gate

    return Gate()


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Agents have a door of their own beside Django; what each request reads and writes has a thread of its own."""
    if scope["type"] == "http" and scope["path"] in mcp.EVERY:
        async with ThreadSensitiveContext():
            await agents()(scope, receive, send)
    else:
        await pages(scope, receive, send)
