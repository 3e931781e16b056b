"""How a broker is spoken to, Redis or Valkey and RabbitMQ: who only sends gives up at once, who consumes is patient.

A message is a hint that names one id; which run goes first is decided at the claim, so messages carry no priority.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

PREFIX = "opsportal."
REDIS, RABBITMQ = "redis", "rabbitmq"


def kind_of(url: str) -> str:
    """Which of the two brokers a URL names."""
    return RABBITMQ if urlsplit(url).scheme in {"amqp", "amqps", "pyamqp"} else REDIS


def sending(url: str) -> dict[str, Any]:
    """Transport options of a process that only sends: short timeouts, one try, and no try again.

    The sweeper sends what was not sent, because the database is the truth about runs.
    """
    once = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}
    if kind_of(url) == RABBITMQ:
        quick = {"connect_timeout": 0.3, "read_timeout": 0.5, "write_timeout": 0.5}
        return {**once, **quick, "confirm_publish": True, "connect_retries_timeout": 0.3}
    quick = {"socket_connect_timeout": 0.2, "socket_timeout": 0.2, "connect_retries_timeout": 0.2}
    return {**once, **quick, "retry_on_timeout": False, "global_keyprefix": PREFIX, "priority_steps": [0]}


def consuming(url: str, queues: Sequence[str] = ()) -> dict[str, Any]:
    """Transport options of a worker for these queues: it may wait for the broker, unlike one that only sends.

    Redis: what was taken and not finished lies under keys of these queues' own, so that no pool's user needs to reach
    another's; the visibility timeout stays at kombu's hour: a message that comes twice finds its row claimed.
    """
    if kind_of(url) == RABBITMQ:
        return {"connect_timeout": 5.0, "confirm_publish": True}
    mine = ".".join(sorted(queues)) or "none"
    keys = {f"{name}_key": f"{name}.{mine}" for name in ("unacked", "unacked_index", "unacked_mutex")}
    patient = {"socket_timeout": 10.0, "socket_connect_timeout": 5.0, "global_keyprefix": PREFIX}
    return {**patient, **keys, "visibility_timeout": 3600, "health_check_interval": 25, "priority_steps": [0]}


def trusted(url: str, authority: str) -> dict[str, Any] | None:
    """How the broker's certificate is checked; None where the URL asks for no TLS. `authority`: a file, or "" for the
    machine's own. The name in the certificate must be the URL's host: there is no way to switch that off.
    """
    parts = urlsplit(url)
    if parts.scheme == "amqps":
        at = authority or ssl.get_default_verify_paths().cafile
        return {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": parts.hostname, "ca_certs": at}
    if parts.scheme == "rediss":
        at = authority or ssl.get_default_verify_paths().cafile
        return {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True, "ssl_ca_certs": at}
    return None
