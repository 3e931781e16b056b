"""What holds in every profile."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from csp.constants import NONCE, NONE, SELF

from opsportal import logs
from opsportal.settings import brokers, env, folders, mail, variables
from procedures.domain import limits

BASE_DIR = variables.ROOT
OPSPORTAL_PROFILE = env.profile()
OPSPORTAL_DATA_DIR: Path = env.path("OPSPORTAL_DATA_DIR")
OPSPORTAL_KEYS_DIR: Path = OPSPORTAL_DATA_DIR / "keys"
OPSPORTAL_PUBLIC_DIR: Path = OPSPORTAL_DATA_DIR / "public"
OPSPORTAL_PORT = env.integer("OPSPORTAL_PORT", low=1, high=65_535)
OPSPORTAL_PUBLIC_URL = env.origin("OPSPORTAL_PUBLIC_URL", default=f"http://localhost:{OPSPORTAL_PORT}")
OPSPORTAL_EVIDENCE_KEY_FILE = Path(env.text("OPSPORTAL_EVIDENCE_KEY_FILE") or OPSPORTAL_KEYS_DIR / "evidence")
OPSPORTAL_WITNESS_POLICY_FILE = env.text("OPSPORTAL_WITNESS_POLICY_FILE")
OPSPORTAL_TSA_URL = env.text("OPSPORTAL_TSA_URL")
OPSPORTAL_TSA_ROOTS_FILE = env.text("OPSPORTAL_TSA_ROOTS_FILE")
OPSPORTAL_TSA_EVERY_MIN = env.integer("OPSPORTAL_TSA_EVERY_MIN", low=1, high=10_080)
OPSPORTAL_MIRROR_BUCKET = env.text("OPSPORTAL_MIRROR_BUCKET")
OPSPORTAL_MIRROR_ENDPOINT = env.text("OPSPORTAL_MIRROR_ENDPOINT")
OPSPORTAL_MIRROR_REGION = env.text("OPSPORTAL_MIRROR_REGION")
OPSPORTAL_MIRROR_DAYS = env.integer("OPSPORTAL_MIRROR_DAYS", low=1, high=36_500)
OPSPORTAL_COLD_DAYS = env.integer("OPSPORTAL_COLD_DAYS", low=0, high=36_500)
OPSPORTAL_MIRROR_EVERY_MIN = env.integer("OPSPORTAL_MIRROR_EVERY_MIN", low=1, high=10_080)
OPSPORTAL_LOG_READERS = env.text("OPSPORTAL_LOG_READERS")
OPSPORTAL_COLLECTOR_TOKENS = env.text("OPSPORTAL_COLLECTOR_TOKENS")
OPSPORTAL_LOG_TOKEN = env.text("OPSPORTAL_LOG_TOKEN")
if 0 < len(OPSPORTAL_LOG_TOKEN) < 32:
    env.refuse("OPSPORTAL_LOG_TOKEN", OPSPORTAL_LOG_TOKEN, "32 characters or more, or empty")
OPSPORTAL_RUNNER_KEY_FILE = Path(env.text("OPSPORTAL_RUNNER_KEY_FILE") or OPSPORTAL_KEYS_DIR / "runner")
OPSPORTAL_IDENTITY_KEYS_DIR = Path(env.text("OPSPORTAL_IDENTITY_KEYS_DIR") or OPSPORTAL_KEYS_DIR)
OPSPORTAL_IDENTITY_SECRETS_DIR = Path(
    env.text("OPSPORTAL_IDENTITY_SECRETS_DIR") or OPSPORTAL_DATA_DIR / "identity-providers"
)
OPSPORTAL_EGRESS = env.text("OPSPORTAL_EGRESS") or str(folders.egress_socket(OPSPORTAL_DATA_DIR))
OPSPORTAL_EGRESS_PEERS = env.listing("OPSPORTAL_EGRESS_PEERS")
OPSPORTAL_EGRESS_KEY = env.text("OPSPORTAL_EGRESS_KEY")
if len(OPSPORTAL_EGRESS_KEY) < 32 and (OPSPORTAL_EGRESS_KEY or "/" not in OPSPORTAL_EGRESS):
    env.refuse(
        "OPSPORTAL_EGRESS_KEY", OPSPORTAL_EGRESS_KEY, "32 characters or more where OPSPORTAL_EGRESS is HOST:PORT"
    )
OPSPORTAL_SANDBOX_UIDS = env.text("OPSPORTAL_SANDBOX_UIDS")
OPSPORTAL_DATABASE_GIB = env.integer("OPSPORTAL_DATABASE_GIB", low=0, high=1_000_000)
OPSPORTAL_RUNNER_THREADS = env.integer("OPSPORTAL_RUNNER_THREADS", low=1, high=256)
OPSPORTAL_RUNNER_ADDRESS = env.text("OPSPORTAL_RUNNER_ADDRESS")
OPSPORTAL_ISSUER_SOCKET = env.text("OPSPORTAL_ISSUER_SOCKET")
OPSPORTAL_ISSUER_PEERS = env.listing("OPSPORTAL_ISSUER_PEERS")
OPSPORTAL_ISSUER_BOUND_S = env.integer("OPSPORTAL_ISSUER_BOUND_S", low=1, high=3_600)
OPSPORTAL_HEARTBEAT_S = env.integer("OPSPORTAL_HEARTBEAT_S", low=1, high=60)
OPSPORTAL_SOURCE_POLL_S = env.integer("OPSPORTAL_SOURCE_POLL_S", low=5, high=86_400)
OPSPORTAL_HEARTBEAT_LOST_S = env.integer("OPSPORTAL_HEARTBEAT_LOST_S", low=3, high=3_600)
OPSPORTAL_DATABASE_BOUND_S = env.integer("OPSPORTAL_DATABASE_BOUND_S", low=1, high=86_400)
OPSPORTAL_DRAIN_S = env.integer("OPSPORTAL_DRAIN_S", low=0, high=3_600)
OPSPORTAL_REVIEW_PROFILE = env.text("OPSPORTAL_REVIEW_PROFILE")
OPSPORTAL_RUNBOOKS_DIR = env.path("OPSPORTAL_RUNBOOKS_DIR")
OPSPORTAL_ALIVE_FILE = env.text("OPSPORTAL_ALIVE_FILE")
OPSPORTAL_ROOT_OK = env.yes("OPSPORTAL_ROOT_OK")
OPSPORTAL_VERSION = "0.1.0"
OPSPORTAL_DISPATCH = "procedures.runner.dispatch.send_run"
OPSPORTAL_UNSIGNED = "procedures.issuer.erasing.unsigned"  # what judges changes for the log, which knows no issuer
OPSPORTAL_BATCH_DISPATCH = "procedures.runner.dispatch.send_batch"
OPSPORTAL_DRAFT_DISPATCH = "procedures.runner.dispatch.send_draft"
OPSPORTAL_OPTIONS_DISPATCH = "procedures.runner.dispatch.send_options"
OPSPORTAL_INVENTORY_DISPATCH = "procedures.runner.dispatch.send_inventory"
OPSPORTAL_CONTACT_DISPATCH = "procedures.runner.dispatch.send_contact"
OPSPORTAL_INVENTORIES_DIR = Path(env.text("OPSPORTAL_INVENTORIES_DIR") or OPSPORTAL_DATA_DIR / "inventories")
OPSPORTAL_CONTACT_EVERY_S = env.integer("OPSPORTAL_CONTACT_EVERY_S", low=30, high=86_400)
OPSPORTAL_OPTION_HOSTS = env.listing("OPSPORTAL_OPTION_HOSTS")
OPSPORTAL_NOTIFIER = "procedures.notifiers.mail.Mail"
OPSPORTAL_SMTP = mail.mail_server("OPSPORTAL_SMTP_URL")
OPSPORTAL_MAIL_FROM = mail.mail_sender(
    "OPSPORTAL_MAIL_FROM", default=f"opsportal@{urlsplit(OPSPORTAL_PUBLIC_URL).hostname or 'localhost'}"
)
OPSPORTAL_TRIAL_DISPATCH = "procedures.runner.dispatch.send_trial"

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "guardian",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "csp",
    "opsportal.apps.WiresConfig",
    "procedures",
    "procedures.evidence",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "opsportal.callers.CallerMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "opsportal.logs.RequestLogMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "DIRS": [BASE_DIR / "procedures" / "web" / "templates"],
        "OPTIONS": {
            "builtins": [
                "django.templatetags.static",
                "procedures.web.templatetags.ops",
                "procedures.web.templatetags.readings",
                "procedures.web.templatetags.going",
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
            ],
        },
    }
]
ROOT_URLCONF = "opsportal.urls"
ASGI_APPLICATION = "opsportal.asgi.application"
WSGI_APPLICATION = "opsportal.wsgi.application"

AUTH_USER_MODEL = "procedures.Person"
AUTHENTICATION_BACKENDS = [
    "procedures.access.backend.PasswordBackend",
    "procedures.access.backend.IdentityBackend",
    "procedures.access.backend.GrantBackend",
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"
ANONYMOUS_USER_NAME = None
GUARDIAN_MONKEY_PATCH_GROUP = False
# Guardian misses its own backend: ours stands in its place (no shortcut for superusers, expired is no).
SILENCED_SYSTEM_CHECKS = ["guardian.W001"]

ALLOWED_HOSTS = [urlsplit(OPSPORTAL_PUBLIC_URL).hostname or "localhost", *env.listing("OPSPORTAL_ALLOWED_HOSTS")]
CSRF_TRUSTED_ORIGINS = [OPSPORTAL_PUBLIC_URL]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = OPSPORTAL_PUBLIC_URL.startswith("https://")
SESSION_ENGINE = "procedures.services.kept_sessions"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
OPSPORTAL_SESSION_IDLE_MIN = env.integer("OPSPORTAL_SESSION_IDLE_MIN", low=5, high=720)
OPSPORTAL_SESSION_HOURS = env.integer("OPSPORTAL_SESSION_HOURS", low=1, high=24)
if OPSPORTAL_SESSION_IDLE_MIN > OPSPORTAL_SESSION_HOURS * 60:
    env.refuse("OPSPORTAL_SESSION_IDLE_MIN", str(OPSPORTAL_SESSION_IDLE_MIN), "no longer than OPSPORTAL_SESSION_HOURS")
SESSION_COOKIE_AGE = OPSPORTAL_SESSION_HOURS * 3600
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = limits.BODY_BYTES
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
    }
}

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS: list[Path] = [BASE_DIR / "procedures" / "web" / "static"]

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "procedures.api.authentication.BearerAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser", "rest_framework.parsers.MultiPartParser"],
    "EXCEPTION_HANDLER": "procedures.api.problems.handle",
    "DEFAULT_SCHEMA_CLASS": "procedures.api.described.Described",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "OpsPortal",
    "DESCRIPTION": "Operations as a service: reviewed procedures, approved plans, evidence.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# A web request answers within half a second whatever the broker does.
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = brokers.sending(env.text("OPSPORTAL_BROKER_URL"))
CELERY_BROKER_USE_SSL = brokers.trusted(env.text("OPSPORTAL_BROKER_URL"), env.text("OPSPORTAL_BROKER_CA"))
CELERY_BROKER_HEARTBEAT = 30
CELERY_BROKER_CONNECTION_TIMEOUT = 0.3
CELERY_BROKER_POOL_LIMIT = 8
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_SERIALIZER = CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_CREATE_MISSING_QUEUES = True
CELERY_TASK_DEFAULT_QUEUE = "environment.none"

LOGGING_CONFIG = None
logs.configure(level=env.text("OPSPORTAL_LOG_LEVEL"), form=env.text("OPSPORTAL_LOG_FORMAT"))
