"""The web process for a WSGI server. Pages and API work; live logs hold a thread each, so prefer ASGI."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "opsportal.settings")

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()

from opsportal.checks import refuse_unsafe_start

refuse_unsafe_start()
