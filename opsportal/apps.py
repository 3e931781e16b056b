"""Ties the wires to Django's start: the start-up checks and the Celery application that tasks belong to."""

from __future__ import annotations

from django.apps import AppConfig


class WiresConfig(AppConfig):
    """No models; here only so that Django calls `ready`."""

    name = "opsportal"
    label = "opsportal"
    verbose_name = "OpsPortal"

    def ready(self) -> None:
        from opsportal import celery, checks

        checks.register()
        celery.app.set_default()
