"""The app of what may change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate


class ProceduresConfig(AppConfig):
    name = "procedures"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        pre_migrate.connect(_step_aside, sender=self)
        post_migrate.connect(_install_triggers, sender=self)


def _step_aside(using: str, plan: Sequence[Any], **_: Any) -> None:
    from django.db import connections

    from procedures.models import triggers

    if plan:
        triggers.step_aside(connections[using])


def _install_triggers(using: str, **_: Any) -> None:
    from django.db import connections

    from procedures.models import triggers

    triggers.install(connections[using])
