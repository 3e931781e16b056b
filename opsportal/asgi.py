"""The web process as uvicorn starts it. ASGI, because live logs hold their connection open."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "opsportal.settings")

from django.core.asgi import get_asgi_application

application = get_asgi_application()

from opsportal.checks import refuse_keys_in_sight, refuse_unsafe_start

refuse_unsafe_start()
refuse_keys_in_sight()
