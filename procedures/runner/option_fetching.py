"""Fetches choices from a URL that policy allows: the runner is the way out, the web process has none (H30)."""

from __future__ import annotations

import json
import threading
from typing import Any, Literal
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from procedures.definitions import registry
from procedures.domain.clock import now
from procedures.domain.ports import ActionCall, ActionIO
from procedures.domain.secrets import Secret
from procedures.models import OptionList
from procedures.services import option_asking, options

SECONDS = 10.0


class _Silent(ActionIO):
    """Nothing of a fetch is shown."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()

    def write(self, stream: Literal["stdout", "stderr", "system"], data: bytes) -> None:
        return

    def register_secret(self, secret: Secret) -> None:
        return


def fetch(list_id: UUID) -> None:
    """Fetch one list by the rules of `http:request`: addresses judged, no redirect followed, bounded."""
    row = OptionList.objects.select_related("environment").filter(pk=list_id, state="asking", source="url").first()
    if row is None:
        return
    found, problem = _get(str(row.question["url"]), tuple(row.environment.networks))
    option_asking.fetched(list_id=list_id, found=found, problem=problem, at=now())


def _get(url: str, networks: tuple[str, ...]) -> tuple[Any, str]:
    """(what was answered, or why there is none, in words)."""
    host = urlsplit(url).hostname or ""
    if not options.allowed_host(host):
        return None, f"Choices may not be fetched from {host}."
    call = ActionCall(
        run_id=uuid4(),
        step="options",
        attempt=1,
        nonce=uuid4().hex,
        input={"url": url, "headers": {"accept": "application/json"}},
        files={},
        parameters={},
        env={},
        secret_env={},
        stdin=None,
        target=None,
        lease=None,
        seconds_left=SECONDS,
        networks=networks,
    )
    ended = registry.actions()["http:request"].run(call, _Silent())
    if ended.outcome != "succeeded":
        return None, f"{host} gave no choices: {ended.message}"
    if "json" in ended.output:
        return ended.output["json"], ""
    try:
        return json.loads(str(ended.output.get("text", ""))), ""
    except ValueError:
        return None, f"{host} answered something that is no JSON."
