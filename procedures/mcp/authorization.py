"""The portal as OAuth's authorization server for agents' programs: metadata, registration, tokens, their end.

The SDK's handlers speak the protocol. A person's consent stands between registration and tokens, on a page of the
portal (decisions/0025). Answers go to programs, not to pages of other sites: no origin is allowed to read them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from django.conf import settings
from mcp.server.auth.handlers.metadata import MetadataHandler
from mcp.server.auth.handlers.register import RegistrationHandler
from mcp.server.auth.handlers.token import TokenHandler
from mcp.server.auth.middleware.client_auth import AuthenticationError, ClientAuthenticator
from mcp.server.auth.settings import ClientRegistrationOptions
from mcp.server.transport_security import RequestBodyLimitMiddleware
from mcp.shared.auth import OAuthMetadata
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from procedures.domain.clock import now
from procedures.domain.software import MAY
from procedures.mcp import REGISTER, REVOKE, SERVER, TOKEN
from procedures.mcp.provider import GRANTS, Asked, Provider
from procedures.services import connection_keys, connections

KIB = 1024
CLOSED = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
Answer = Callable[[Request, Provider], Awaitable[Response]]


def application(asked: Asked) -> Any:
    """The ASGI application. `asked` carries out a service's work away from the loop."""

    def entered(answer: Answer) -> Callable[[Request], Awaitable[Response]]:
        async def inner(request: Request) -> Response:
            address = request.client.host if request.client else ""
            response = await answer(request, Provider(asked, address))
            response.headers.update(CLOSED)
            return response

        return inner

    async def revoke(request: Request, provider: Provider) -> Response:
        return await _revoke(request, provider, asked)

    async def token(request: Request, provider: Provider) -> Response:
        return await _token(request, provider, asked)

    async def described(request: Request) -> Response:
        return await MetadataHandler(metadata()).handle(request)

    routes = [
        Route(SERVER, described, methods=["GET"]),
        Route(REGISTER, entered(_register), methods=["POST"]),
        Route(TOKEN, entered(token), methods=["POST"]),
        Route(REVOKE, entered(revoke), methods=["POST"]),
    ]
    return RequestBodyLimitMiddleware(Starlette(routes=routes), 64 * KIB)


def metadata() -> OAuthMetadata:
    """RFC 8414: codes with S256 alone, public clients alone, and the issuer's name in each answer (RFC 9207)."""
    base = settings.OPSPORTAL_PUBLIC_URL
    said = {
        "issuer": connections.issuer(),
        "authorization_endpoint": f"{base}/agents/connect/",
        "token_endpoint": f"{base}{TOKEN}",
        "registration_endpoint": f"{base}{REGISTER}",
        "revocation_endpoint": f"{base}{REVOKE}",
        "scopes_supported": list(MAY),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": GRANTS,
        "token_endpoint_auth_methods_supported": ["none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "client_id_metadata_document_supported": False,
        "service_documentation": f"{base}/agents/",
    }
    return OAuthMetadata.model_validate(said)


async def _register(request: Request, provider: Provider) -> Response:
    given: Any = provider
    response = await RegistrationHandler(given, ClientRegistrationOptions(valid_scopes=list(MAY))).handle(request)
    if provider.crowded:
        response.status_code = 429
        response.headers["retry-after"] = "3600"
    return response


async def _token(request: Request, provider: Provider, asked: Asked) -> Response:
    if refusal := await _malformed(request):
        return refusal
    given: Any = provider
    response: Response = await TokenHandler(given, ClientAuthenticator(given)).handle(request)
    if provider.claimed is not None:
        await asked(None, connection_keys.not_proved, connection=provider.claimed, at=now())
    return response


async def _malformed(request: Request) -> Response | None:
    """A field that comes twice (RFC 6749, 3.2), a token for another resource (RFC 8707), a program with a secret."""
    form = await request.form()
    names = [name for name, _ in form.multi_items()]
    if len(names) != len(set(names)) or not all(isinstance(value, str) for value in form.values()):
        return _wrong("invalid_request", "Each field once, as text.")
    if "resource" in form and not connections.is_ours(str(form["resource"])):
        return _wrong("invalid_target", f"The resource here is {connections.resource()}.")
    if "client_secret" in form or "authorization" in request.headers:
        return _wrong("invalid_client", "Programs have no secret here: send client_id and code_verifier.", 401)
    return None


async def _revoke(request: Request, provider: Provider, asked: Asked) -> Response:
    """RFC 7009: what is not there, or another program's, is answered as if it were ended."""
    if refusal := await _malformed(request):
        return refusal
    given: Any = provider
    try:
        client = await ClientAuthenticator(given).authenticate_request(request)
    except AuthenticationError as problem:
        return _wrong("invalid_client", problem.message, 401)
    secret = str((await request.form()).get("token", ""))
    if not secret:
        return _wrong("invalid_request", "Name the token.")
    row = await asked(None, connections.client_of, client.client_id)
    await asked(None, connection_keys.end_by_program, client=row.pk, secret=secret, at=now())
    return Response(status_code=200)


def _wrong(error: str, description: str, status: int = 400) -> Response:
    return JSONResponse({"error": error, "error_description": description}, status_code=status)
