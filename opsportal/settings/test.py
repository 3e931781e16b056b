"""What the tests run with: the embedded default on a database of its own, with quick passwords."""

from __future__ import annotations

from opsportal.settings import databases, env, folders, variables
from opsportal.settings.base import *
from opsportal.settings.base import ALLOWED_HOSTS, OPSPORTAL_DATA_DIR, OPSPORTAL_KEYS_DIR

OPSPORTAL_PROFILE = "test"
# A run that a test drives lives in a transaction that the heartbeat's thread cannot see: a beat would call it lost.
OPSPORTAL_HEARTBEAT_S = 60
if OPSPORTAL_DATA_DIR == variables.ROOT / "var":
    raise SystemExit("The test profile needs an OPSPORTAL_DATA_DIR of its own; `manage.py test` gives it one.")
folders.private(OPSPORTAL_DATA_DIR)
folders.private(OPSPORTAL_KEYS_DIR)
folders.private(OPSPORTAL_DATA_DIR / "identity-providers")

DEBUG = False
SECRET_KEY = "a key that signs nothing but what tests make and throw away"
ALLOWED_HOSTS = [*ALLOWED_HOSTS, "localhost", "127.0.0.1", "testserver"]
DATABASES = {"default": databases.described("sqlite://:memory:")}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
CELERY_BROKER_URL = env.text("OPSPORTAL_BROKER_URL") or folders.broker_url(OPSPORTAL_DATA_DIR)

SERVESTATIC_USE_FINDERS = True
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
