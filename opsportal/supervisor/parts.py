"""The processes of the embedded default, as data: what to run and how to see that it serves."""

from __future__ import annotations

import http.client
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from opsportal.settings import folders
from opsportal.supervisor import broker

CONFINE = str(Path(__file__).with_name("confine.py"))
LAUNCHER = str(Path(__file__).with_name("launcher.py"))


@dataclass(frozen=True, slots=True)
class Part:
    """One process. `serves` is asked until it says yes; a part without it counts as ready when it is alive.

    `grace_s` is how long it may take to end after SIGTERM.
    """

    name: str
    argv: tuple[str, ...]
    serves: Callable[[], bool] | None = None
    grace_s: float = 5.0


def broker_part(data_dir: Path) -> Part:
    """Valkey on a private unix socket."""
    path = folders.broker_socket(data_dir)
    return Part("broker", tuple(broker.argv(data_dir)), serves=lambda: broker.answers(path))


def confined(data_dir: Path, *, no_tcp: bool = False) -> tuple[str, ...]:
    """The words before a program that must not see the keys; with `no_tcp` one that connects to nobody."""
    network = ("--no-tcp",) if no_tcp else ()
    return (sys.executable, "-I", "-S", CONFINE, *network, str(data_dir), str(data_dir / "keys"))


def web_part(data_dir: Path, port: int, *, no_tcp: bool) -> Part:
    """uvicorn on the loopback address, without sight of the keys, and where database and broker are ours no way out."""
    switches = ("--host", "127.0.0.1", "--port", str(port), "--lifespan", "off", "--no-access-log")
    patience = ("--timeout-graceful-shutdown", "3", "--timeout-keep-alive", "30", "--no-server-header")
    argv = (
        *confined(data_dir, no_tcp=no_tcp),
        sys.executable,
        "-m",
        "uvicorn",
        "opsportal.asgi:application",
        *switches,
        *patience,
    )
    return Part("web", argv, serves=lambda: answers_http(port))


def egress_part(data_dir: Path) -> Part:
    """The one way out of the web process. It takes its socket's place, then confines itself."""
    place = folders.egress_socket(data_dir)
    return Part("egress", (sys.executable, "-m", "procedures.egress.main"), serves=lambda: answers_egress(place))


def runner_part() -> Part:
    """A runner with threads that serves every environment; may take a while to let go of what it drives."""
    argv = (sys.executable, "-m", "procedures.runner.main", "--environment", "all")
    return Part("runner", argv, grace_s=15.0)


def pool_part() -> Part:
    """The disposable pool: runs what nobody has reviewed. It reads its own key, then confines itself."""
    return Part("pool", (sys.executable, "-m", "procedures.runner.disposable_main"), grace_s=5.0)


def keeper_part() -> Part:
    """Scheduler and sweeper, with the sequencer as their child."""
    return Part("keeper", (sys.executable, "-m", "procedures.runner.keeper"), grace_s=10.0)


def embedded(data_dir: Path, port: int, *, own_broker: bool, own_database: bool) -> list[Part]:
    """All parts in the order in which they start."""
    first = [broker_part(data_dir)] if own_broker else []
    web = web_part(data_dir, port, no_tcp=own_broker and own_database)
    return [*first, web, egress_part(data_dir), runner_part(), pool_part(), keeper_part()]


def answers_egress(place: Path) -> bool:
    """Whether the egress process answers, in its own words (procedures/signon/egress.py)."""
    with suppress(OSError), socket.socket(socket.AF_UNIX) as link:
        link.settimeout(5)
        link.connect(str(place))
        link.sendall(b'{"ask":"alive"}')
        link.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: link.recv(4096), b"")).endswith(b'{"alive":true}')
    return False


def answers_http(port: int) -> bool:
    """Whether the web process answers /healthz, in whatever words."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        link.request("GET", "/healthz", headers={"Host": "localhost"})
        return link.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        link.close()
