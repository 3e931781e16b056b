"""Several machines and OS users: nothing is made up, what is missing or unsafe refuses to start."""

from __future__ import annotations

from opsportal.settings import databases, env
from opsportal.settings.base import *

DEBUG = False
SECRET_KEY = env.text("OPSPORTAL_SECRET_KEY")
if len(SECRET_KEY) < 50:
    env.refuse("OPSPORTAL_SECRET_KEY", SECRET_KEY, "set, to 50 random characters or more")
if not env.text("DATABASE_URL"):
    env.refuse("DATABASE_URL", "", "set, to a postgres:// URL")
if not env.text("OPSPORTAL_BROKER_URL"):
    env.refuse("OPSPORTAL_BROKER_URL", "", "set, to a redis:// or amqp:// URL")

DATABASES = {"default": databases.described("")}
CELERY_BROKER_URL = env.text("OPSPORTAL_BROKER_URL")
SECURE_HSTS_SECONDS = 31_536_000
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.yes("OPSPORTAL_TRUST_PROXY") else None
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "servestatic.storage.CompressedManifestStaticFilesStorage"},
}
