"""Everything on one machine with nothing to set up: SQLite, an embedded broker, one OS user."""

from __future__ import annotations

from contextlib import suppress

from opsportal.settings import databases, env, folders
from opsportal.settings.base import *
from opsportal.settings.base import ALLOWED_HOSTS, OPSPORTAL_DATA_DIR, OPSPORTAL_KEYS_DIR

folders.private(OPSPORTAL_DATA_DIR)
folders.private(OPSPORTAL_KEYS_DIR)
with suppress(PermissionError):  # the confined web process makes no folder; what prepares the portal has made it
    folders.private(OPSPORTAL_DATA_DIR / "identity-providers")

DEBUG = False
SECRET_KEY = env.text("OPSPORTAL_SECRET_KEY") or folders.kept_secret(OPSPORTAL_DATA_DIR / "secret-key")
ALLOWED_HOSTS = [*ALLOWED_HOSTS, "localhost", "127.0.0.1", "[::1]"]
database_dir = folders.private(OPSPORTAL_DATA_DIR / "database")
DATABASES = {"default": databases.described(f"sqlite:///{database_dir}/opsportal.sqlite3")}
CELERY_BROKER_URL = env.text("OPSPORTAL_BROKER_URL") or folders.broker_url(OPSPORTAL_DATA_DIR)

# Nobody runs collectstatic here: files are served from where the apps keep them.
SERVESTATIC_USE_FINDERS = True
SERVESTATIC_AUTOREFRESH = False
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
