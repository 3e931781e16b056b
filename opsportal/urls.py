"""Which door answers which path: the API under /api/, the pages everywhere else."""

from __future__ import annotations

from importlib.util import find_spec

from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path(prefix, include(door))
    for prefix, door in (("api/", "procedures.api.urls"), ("", "procedures.web.urls"))
    if find_spec(door.rpartition(".")[0]) and find_spec(door)
]
