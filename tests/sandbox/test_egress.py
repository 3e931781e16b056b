"""The way out of a step that has a list: the hosts of the list, by names resolved outside, and nothing else."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from procedures.actions import reach
from procedures.actions.local import LocalCommand, LocalScript
from procedures.domain.clock import now
from procedures.domain.definition import Definition, Step
from procedures.domain.ports import Lease
from procedures.sandbox import probe
from procedures.sandbox.egress import ENTRY
from tests.actions.calls import Collected, call
from tests.fixtures.counterparts import need
from tests.sandbox.tiers import PLAIN

GOOD = "api.example.com"
ASKS = """
import os, socket, sys
def ask(head, body=b""):
    with socket.create_connection(("127.0.0.1", 3128), timeout=5) as link:
        link.sendall(head)
        got = link.recv(300)
        if b" 200 " in got.split(b"\\n")[0]:
            link.sendall(body)
            link.shutdown(socket.SHUT_WR)
            more = b""
            while piece := link.recv(100): more += piece
            return "200 " + more.decode()
        return got.decode(errors="replace").split(" ", 1)[1].split("\\r\\n")[0] if got else "closed"
for line in sys.argv[1:]:
    print(ask(line.encode().decode("unicode_escape").encode("latin-1"), b"hello"))
"""

ENTRIES = (
    *("127.0.0.1:443", "[::1]:443", "2130706433:443", "0x7f.0.0.1:443", "localhost:443", "*.example.com:443"),
    *("Example.com:443", "example.com", "example.com:0", "example.com.:443", "${{ parameters.h }}:443", ""),
    *("http://example.com:443", "user@example.com:443", "example.com:443\n"),
)


@pytest.fixture(scope="module", autouse=True)
def bubblewrap() -> None:
    need("bwrap")


@pytest.fixture
def server() -> Iterator[int]:
    """Gives back what it is sent, with what it is."""
    with socket.create_server(("127.0.0.1", 0)) as door:

        def serve() -> None:
            while True:
                try:
                    link, _ = door.accept()
                except OSError:
                    return
                with link:
                    data = b""
                    while piece := link.recv(1024):
                        data += piece
                    link.sendall(b"server " + data)

        threading.Thread(target=serve, daemon=True).start()
        yield door.getsockname()[1]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[str]]]:
    """Name → the answers of its name server, one for each time that it is asked; the last one stays."""
    table: dict[str, list[list[str]]] = {}
    real = socket.getaddrinfo

    def asked(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
        if host not in table:
            if str(host).replace(".", "").isdigit():
                return real(host, port, *rest, **more)
            raise socket.gaierror("no such name")
        answers = table[host].pop(0) if len(table[host]) > 1 else table[host][0]
        return [row for address in answers for row in real(address, port, *rest, **more)]

    monkeypatch.setattr(socket, "getaddrinfo", asked)
    return table


def asks(listed: list[str], *heads: str, networks: tuple[str, ...] = ("127.0.0.0/8",)) -> tuple[list[str], Any, str]:
    """What a step with that list hears, the facts of its task, and what the runner says of it."""
    io = Collected()
    argv = [PLAIN, "-I", "-S", "-c", ASKS, *heads]
    result = LocalCommand().run(call(input={"argv": argv, "egress": listed}, networks=networks), io)
    assert result.outcome == "succeeded", io.out
    return io.text.splitlines(), result.facts["egress"], io.out.get("system", b"").decode()


def connect(place: str) -> str:
    return f"CONNECT {place} HTTP/1.1\\r\\nHost: {place}\\r\\n\\r\\n"


def test_a_listed_host_is_reached_and_stands_in_evidence(server: int, names: dict[str, list[list[str]]]) -> None:
    names[GOOD] = [["127.0.0.1"]]
    place = f"{GOOD}:{server}"
    heard, facts, _ = asks([place], connect(place), connect(place.upper()))
    assert heard == ["200 server hello"] * 2
    assert facts == {"reached": {place: 2}, "refused": 0}


def test_what_was_lent_counts_as_unused_only_where_nothing_was_reached(
    server: int, names: dict[str, list[list[str]]]
) -> None:
    """A program may use it nowhere without a way out; with one, whether it did is not known."""
    names[GOOD] = [["127.0.0.1"]]
    place = f"{GOOD}:{server}"
    for words, lent, known in (
        ([connect(place)], keys("aws-sts"), {"credential": "placed", "hosts": [place], "network": "listed"}),
        ([], keys("aws-sts"), {"credential": "not used", "network": "listed"}),
        ([], keys("sealed-secret"), {"credential": "placed", "network": "listed"}),
        ([], None, {"network": "listed"}),
    ):
        argv = [PLAIN, "-I", "-S", "-c", ASKS, *words]
        asked = call(input={"argv": argv, "egress": [place]}, lease=lent, networks=("127.0.0.0/8",))
        assert LocalCommand().run(asked, Collected()).facts["seen"] == known


def keys(provider: str) -> Lease:
    """What a provider of that name lent, as far as a step knows it."""
    flags = {"renewable": False, "self_expiring": True, "kills_sessions": False}
    return Lease(uuid4(), provider, None, "h", now(), now(), **flags, evidence={}, material={})


def test_what_is_not_in_the_list_is_refused_whatever_it_is_called(
    server: int, names: dict[str, list[list[str]]]
) -> None:
    """Other names and ports, addresses in every spelling, other methods and garbage."""
    names[GOOD] = names["evil.example.com"] = names["127.0.0.1.example.com"] = [["127.0.0.1"]]
    wrong = [
        f"evil.example.com:{server}",
        f"{GOOD}:{server + 1}",
        f"{GOOD}.:{server}",
        f"x.{GOOD}:{server}",
        f"{GOOD}@127.0.0.1:{server}",
        f"127.0.0.1:{server}",
        f"0x7f.1:{server}",
        f"2130706433:{server}",
        f"0177.0.0.1:{server}",
        f"[::1]:{server}",
        f"[::ffff:127.0.0.1]:{server}",
        f"127.0.0.1.example.com:{server}",
        "169.254.169.254:80",
        f"{GOOD}\\x00:{server}",
        f"{GOOD}%2f:{server}",
    ]
    odd = [
        f"GET http://{GOOD}:{server}/ HTTP/1.1\\r\\n\\r\\n",
        f"CONNECT {GOOD}:{server} HTTP/1.1 x\\r\\n\\r\\n",
        f"CONNECT  {GOOD}:{server} HTTP/1.1\\r\\n\\r\\n",
        f" CONNECT {GOOD}:{server} HTTP/1.1\\r\\n\\r\\n",
        "\\r\\n\\r\\n",
    ]
    heard, facts, told = asks([f"{GOOD}:{server}"], *map(connect, wrong), *odd)
    assert [line.split(" ")[0] for line in heard] == ["403"] * 13 + ["405", "403"] + ["405"] * 5
    assert facts == {"reached": {}, "refused": 20}
    assert f"Egress: evil.example.com:{server} was refused (1 ×)." in told


def test_a_listed_name_that_leads_inside_is_refused(server: int, names: dict[str, list[list[str]]]) -> None:
    """Every address of a name is judged: one of them in the metadata range is enough."""
    names["a.example.com"] = [["127.0.0.1", "169.254.169.254"]]
    names["b.example.com"] = [["127.0.0.1"]]
    places = [f"a.example.com:{server}", f"b.example.com:{server}"]
    assert asks(places, connect(places[0]))[0] == ["502 Not reached"]
    heard, facts, _ = asks(places, connect(places[1]), networks=())
    assert heard == ["502 Not reached"], "a private address that the environment does not list"
    assert facts == {"reached": {}, "refused": 1}


def test_a_name_that_is_bound_anew_after_it_was_judged_leads_nowhere_else(
    server: int, names: dict[str, list[list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address that was judged is the one connected to; the second answer is judged anew, and refused."""
    names[GOOD] = [["127.0.0.1"], ["169.254.169.254"]]
    connected = []
    real = socket.create_connection

    def seen(address: Any, *rest: Any, **more: Any) -> socket.socket:
        connected.append(address)
        return real(address, *rest, **more)

    monkeypatch.setattr(socket, "create_connection", seen)
    place = f"{GOOD}:{server}"
    heard, facts, _ = asks([place], connect(place), connect(place))
    assert heard == ["200 server hello", "502 Not reached"]
    assert connected == [("127.0.0.1", server)]
    assert facts == {"reached": {place: 1}, "refused": 1}


def test_a_proxy_that_connects_by_name_would_be_rebound(
    server: int, names: dict[str, list[list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attack above, against a proxy that looks a name up to judge it and once more to connect: it gets through."""
    names[GOOD] = [["8.8.8.8"], ["127.0.0.1"]]
    honest = reach.judged
    monkeypatch.setattr("procedures.actions.leaving.judged", lambda host, port, nets: honest(host, port, nets) and host)
    place = f"{GOOD}:{server}"
    assert asks([place], connect(place), networks=())[0] == ["200 server hello"]


def test_there_is_no_way_beside_the_proxy(server: int, names: dict[str, list[list[str]]]) -> None:
    names[GOOD] = [["127.0.0.1"]]
    code = f"""
import os, socket
for kind, place in ((socket.SOCK_STREAM, ("127.0.0.1", {server})), (socket.SOCK_STREAM, ("8.8.8.8", 53))):
    with socket.socket(socket.AF_INET, kind) as link:
        link.settimeout(1)
        try: link.connect(place); print("through")
        except OSError as e: print("held")
try: socket.getaddrinfo("{GOOD}", 443); print("through")
except OSError: print("held")
print(sorted(os.listdir("/proc/self/fd")))
print(os.environ["HTTPS_PROXY"])
"""
    io = Collected()
    LocalCommand().run(call(input={"argv": [PLAIN, "-c", code], "egress": [f"{GOOD}:{server}"]}), io)
    lines = io.text.splitlines()
    assert lines[:3] == ["held"] * 3
    assert lines[3] == "['0', '1', '2', '3']", "3 is the folder that is being read: nothing was left open"
    assert lines[4] == "http://127.0.0.1:3128"


def test_when_the_step_has_ended_nothing_of_its_way_out_is_open(server: int, names: dict[str, list[list[str]]]) -> None:
    names[GOOD] = [["127.0.0.1"]]
    place = f"{GOOD}:{server}"
    hold = f"""
import socket, time
link = socket.create_connection(("127.0.0.1", 3128))
link.sendall(b"CONNECT {place} HTTP/1.1\\r\\n\\r\\n")
link.recv(99)
time.sleep(30)
"""
    before = {one.name for one in threading.enumerate()}
    began = time.monotonic()
    result = LocalCommand().run(
        call(input={"argv": [PLAIN, "-c", hold], "egress": [place]}, networks=("127.0.0.0/8",), seconds_left=1.0),
        Collected(),
    )
    assert result.outcome == "timed_out"
    assert result.facts["egress"]["reached"] == {place: 1}
    assert time.monotonic() - began < 5
    until = time.monotonic() + 5
    while {one.name for one in threading.enumerate()} - before and time.monotonic() < until:
        time.sleep(0.02)
    assert {one.name for one in threading.enumerate()} - before == set()


def test_the_program_is_the_step_s_own_with_its_status_and_streams() -> None:
    io = Collected()
    result = LocalScript().run(
        call(
            input={"script": "x.sh", "egress": [f"{GOOD}:443"], "expect": [7]},
            files={"x.sh": b"#!/bin/sh\ncat; echo $$; yes | head -1; exit 7\n"},
        ),
        io,
    )
    assert (result.outcome, result.exit_status) == ("succeeded", 7)
    assert io.text.splitlines()[-1] == "y"
    missing = LocalCommand().run(call(input={"argv": ["no-such-program"], "egress": [f"{GOOD}:443"]}), Collected())
    assert missing.exit_status == 127


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_list_takes_whole_host_names_alone(entry: str) -> None:
    assert re.search(ENTRY, entry.rstrip("\n")) is None or entry.endswith("\n")
    assert re.match(ENTRY, "api.example.com:443")


def test_a_list_needs_a_network_of_its_own_hence_tier_b(monkeypatch: pytest.MonkeyPatch) -> None:
    """The judge keeps such a run from a runner of tier C, and the runner itself refuses it."""
    step = Step("one", "one", "local:command", {"argv": ["true"], "egress": ["api.example.com:443"]})
    base = Definition("x", "x", "", "o", "operation", "low", ("development",), (step,), {})
    assert base.sandbox == "B"
    monkeypatch.setattr(probe, "in_use", lambda: "C")
    result = LocalCommand().run(call(input=step.input), Collected())
    assert result.outcome == "failed"
    assert "needs bubblewrap" in result.message
