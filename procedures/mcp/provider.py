"""What the SDK's OAuth handlers ask, answered by services: each call on a thread of its own, as this door."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from mcp.server.auth.provider import (
    AuthorizationCode,
    RefreshToken,
    RegistrationError,
    RegistrationErrorCode,
    TokenError,
)
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from pydantic import AnyUrl

from procedures.domain import clients
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput
from procedures.domain.software import MAY
from procedures.models import AgentClient, Connection
from procedures.models import RefreshToken as Row
from procedures.services import connection_keys as keys
from procedures.services import connections

GRANTS = ["authorization_code", "refresh_token"]
Asked = Callable[..., Awaitable[Any]]


class Code(AuthorizationCode):
    """A code that was claimed just now; `connection` is what it opens."""

    connection: UUID


class Fresh(RefreshToken):
    """A refresh token that may be used; `row` names it."""

    row: UUID


class Provider:
    """As much of the SDK's OAuthAuthorizationServerProvider as the handlers of registration and tokens ask for.

    Programs are public: they have no secret, since they could keep none, and PKCE holds in its place.

    `address` is that of the request, for the pace of registrations; `claimed` the connection whose code it showed.
    One provider serves one request.
    """

    def __init__(self, asked: Asked, address: str) -> None:
        self._asked, self._address = asked, address
        self.claimed: UUID | None = None
        self.crowded = False

    async def get_client(self, client_id: str) -> OAuthClientInformationFull | None:
        row = await self._asked(None, connections.client_of, client_id)
        return None if row is None else _told(row)

    async def register_client(self, client_info: OAuthClientInformationFull) -> None:
        """Keep its name and where it is sent; whatever else it says about itself is neither kept nor told again."""
        redirects = [str(uri) for uri in client_info.redirect_uris or []]
        given = {"name": clients.name_of(client_info.client_name), "redirects": redirects, "address": self._address}
        try:
            row = await self._asked(None, keys.register, at=now(), **given)
        except InvalidInput as problem:
            wrong: RegistrationErrorCode = "invalid_client_metadata"
            if problem.problems[0][0] == "/redirect_uris":
                wrong = "invalid_redirect_uri"
            raise RegistrationError(wrong, problem.message) from problem
        except keys.TooManyClients as problem:
            self.crowded = True
            raise RegistrationError("invalid_client_metadata", f"{problem.message} {problem.next_step}") from problem
        for name, value in _told(row):
            setattr(client_info, name, value)

    async def load_authorization_code(self, client: OAuthClientInformationFull, authorization_code: str) -> Code | None:
        given = {"client": UUID(client.client_id), "code": authorization_code, "at": now()}
        row: Connection | None = await self._asked(None, keys.claim_code, **given)
        if row is None:
            return None
        self.claimed = row.pk
        return Code(
            code=authorization_code,
            scopes=row.verbs,
            expires_at=row.code_until_at.timestamp(),
            client_id=str(row.client_id),
            code_challenge=row.challenge,
            redirect_uri=AnyUrl(row.redirect),
            redirect_uri_provided_explicitly=True,
            resource=connections.resource(),
            connection=row.pk,
        )

    async def exchange_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: Code
    ) -> OAuthToken:
        self.claimed = None
        made = await self._asked(None, keys.open_connection, connection=authorization_code.connection, at=now())
        return _answer(made)

    async def load_refresh_token(self, client: OAuthClientInformationFull, refresh_token: str) -> Fresh | None:
        given = {"client": UUID(client.client_id), "secret": refresh_token, "at": now()}
        row: Row | None = await self._asked(None, keys.refresh_token_of, **given)
        if row is None:
            return None
        scopes = list(row.connection.verbs)
        return Fresh(token=refresh_token, client_id=client.client_id, scopes=scopes, row=row.pk)

    async def exchange_refresh_token(
        self, client: OAuthClientInformationFull, refresh_token: Fresh, scopes: list[str]
    ) -> OAuthToken:
        made = await self._asked(None, keys.refreshed, row=refresh_token.row, verbs=scopes, at=now())
        return _answer(made)


def _told(row: AgentClient) -> OAuthClientInformationFull:
    """A program as it is told of itself."""
    return OAuthClientInformationFull(
        client_id=str(row.pk),
        client_id_issued_at=int(row.registered_at.timestamp()),
        client_name=row.name or None,
        redirect_uris=[AnyUrl(uri) for uri in row.redirects],
        token_endpoint_auth_method="none",
        grant_types=GRANTS,
        response_types=["code"],
        scope=" ".join(MAY),
    )


def _answer(made: keys.Keys | None) -> OAuthToken:
    if made is None:
        raise TokenError("invalid_grant", "This connection is over.")
    return OAuthToken(
        access_token=made.access, refresh_token=made.refresh, expires_in=made.expires_s, scope=" ".join(made.verbs)
    )
