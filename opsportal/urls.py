"""Which door answers which path: the API under /api/, the pages everywhere else."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from procedures.api import health, identity, served_log
from procedures.api.urls import format_schema
from procedures.hooks import git, standing
from procedures.scim import door

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", health.metrics),
    path("hooks/git/<slug:name>", git.pushed),
    path("hooks/<slug:name>", standing.delivered),
    path("identity/<slug:environment>/.well-known/openid-configuration", identity.configuration),
    path("identity/<slug:environment>/jwks", identity.jwks),
    path("schema/procedure.v1.json", format_schema),
    path("evidence/log/<int:which>/<path:path>", served_log.ServedLog.as_view()),
    path("evidence/log/<path:path>", served_log.ServedLog.as_view()),
    path("scim/v2", door.scim),
    path("scim/v2/<path:rest>", door.scim),
    path("api/", include("procedures.api.urls")),
    path("", include("procedures.web.urls")),
]
