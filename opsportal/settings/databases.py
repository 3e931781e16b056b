"""How a database is opened: the options that were seen to matter, for SQLite and for PostgreSQL."""

from __future__ import annotations

from typing import Any

from opsportal.settings import env


def described(default: str) -> dict[str, Any]:
    """Django's DATABASES entry from DATABASE_URL, or from the URL `default`.

    SQLite: transactions begin IMMEDIATE, without which a quarter of those of six writers fail with "database is
    locked"; WAL lets readers go on. Connections end with the request, since under ASGI each request has a thread of
    its own; the runner keeps its connections (opsportal.celery).
    """
    database: dict[str, Any] = env.database("DATABASE_URL", default=default)
    database["CONN_MAX_AGE"] = 0
    if database["ENGINE"] == "django.db.backends.sqlite3":
        database["OPTIONS"] = {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
        }
    else:
        database["CONN_HEALTH_CHECKS"] = True
    return database
