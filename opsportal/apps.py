"""Ties the wires to Django's start: the start-up checks and the Celery application that tasks belong to."""

from __future__ import annotations

from django.apps import AppConfig


class WiresConfig(AppConfig):
    """No models; here only so that Django calls `ready`."""

    name = "opsportal"
    label = "opsportal"
    verbose_name = "OpsPortal"

    def ready(self) -> None:
        from django.conf import settings

        from opsportal import celery, checks
        from procedures.signon import egress

        checks.register()
        celery.app.set_default()
        egress.place = lambda: (settings.OPSPORTAL_EGRESS, settings.OPSPORTAL_EGRESS_KEY)
