"""Looks for a secret in every encoding, wherever a portal leaves something: as bytes, by name of the place."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from django.db import connection

from procedures.domain import canary
from tests.fixtures.valkey import Broker
from tests.sandbox.tiers import ANYBODY

RUN = "kq7Zx2Lm9Tw4Rv8"  # letters and digits, which no quoting changes
SECRET = f"cañary/{RUN}'71+e2d8\"4b06&<ü>"
TEMPORARY = ("/tmp", "/var/tmp", "/dev/shm")
# As another user: every command line, environment and temporary file that can be read, again and again.
WATCHER = """
import json, os, sys, time
needles = [bytes.fromhex(word) for word in sys.stdin.readline().split()]
print("looks", flush=True)
os.set_blocking(0, False)
seen = set()
def look(name, path):
    try:
        with open(path, "rb") as file:
            data = file.read(1 << 20)
    except OSError:
        return
    if any(needle in data for needle in needles):
        seen.add(name)
began = time.time() - 1
def fresh(place):
    for name in os.listdir(place):
        path = os.path.join(place, name)
        try:
            if name.startswith("opsportal") and os.stat(path).st_mtime >= began:
                yield path
        except OSError:
            pass
while True:
    try:
        if os.read(0, 1) == b"":
            break
    except BlockingIOError:
        pass
    for pid in os.listdir("/proc"):
        if pid.isdigit():
            look("command line", f"/proc/{pid}/cmdline")
            look("environment", f"/proc/{pid}/environ")
    for place in sys.argv[1:]:
        for path in fresh(place):
            look("file", path)
            for folder, _, names in os.walk(path):
                for name in names:
                    if os.path.isfile(os.path.join(folder, name)):
                        look("file", os.path.join(folder, name))
print(json.dumps(sorted(seen)))
"""


def needles() -> dict[str, bytes]:
    """What of each encoding is the secret's alone, by the encoding's name."""
    found = {name: canary.core(name, form) for name, form in canary.encodings(SECRET).items()}
    run = RUN.encode()
    return found | {"letters": run, "letters in hex": run.hex().encode(), "letters in HEX": run.hex().upper().encode()}


def within(data: bytes) -> set[str]:
    """The encodings in which the secret stands in some bytes."""
    return {name for name, needle in needles().items() if needle in data}


@dataclass(slots=True)
class Search:
    """What was found, by place."""

    found: dict[str, set[str]] = field(default_factory=dict)

    def look(self, place: str, data: Iterable[bytes]) -> None:
        hits = set().union(*(within(piece) for piece in data))
        if hits:
            self.found[place] = self.found.get(place, set()) | hits


def database() -> Iterator[bytes]:
    """Every value of every table, as this process reads it and as the database itself writes it out."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - names from the catalogue
            for row in cursor.fetchall():
                for value in row:
                    yield bytes(value) if isinstance(value, bytes | memoryview) else _text(value)
            if connection.vendor == "postgresql":
                cursor.execute(f'SELECT t::text FROM "{table}" AS t')  # noqa: S608 - names from the catalogue
                yield from (str(row[0]).encode() for row in cursor.fetchall())
    if connection.vendor == "sqlite":
        connection.ensure_connection()
        yield "\n".join(connection.connection.iterdump()).encode()


def _text(value: object) -> bytes:
    return (json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)).encode()


def broker(place: Broker) -> Iterator[bytes]:
    """Every key with its value, and what it wrote to disk: the snapshot and the log of every command."""
    import redis

    client = redis.Redis(unix_socket_path=str(place.socket))
    client.save()
    for key in client.scan_iter(count=1000):
        yield bytes(key) + (client.dump(key) or b"")
    yield from files(place.socket.parent)


def files(*folders: Path) -> Iterator[bytes]:
    for folder in folders:
        for path in folder.rglob("*"):
            with suppress(OSError):
                if path.is_file() and not path.is_symlink():
                    yield path.name.encode() + b"\0" + path.read_bytes()


def left_behind(before: Mapping[str, set[Path]]) -> Iterator[bytes]:
    """Files in temporary folders that were not there before, and belong to this test run."""
    for place in TEMPORARY:
        for path in set(Path(place).iterdir()) - before[place]:
            if path.name.startswith("opsportal"):
                yield from files(path) if path.is_dir() else [path.read_bytes()]


def there_now() -> dict[str, set[Path]]:
    return {place: set(Path(place).iterdir()) for place in TEMPORARY}


def unzipped(pack: bytes) -> Iterator[bytes]:
    with zipfile.ZipFile(io.BytesIO(pack)) as packed:
        for name in packed.namelist():
            yield name.encode() + b"\0" + packed.read(name)


@contextmanager
def watched() -> Iterator[set[str]]:
    """Where somebody else on this machine saw the secret meanwhile; filled at the end."""
    seen: set[str] = set()
    who = str(ANYBODY)
    other = ["setpriv", "--reuid", who, "--regid", who, "--clear-groups", "--"] if os.geteuid() == 0 else []
    argv = [*other, "/usr/bin/python3", "-I", "-c", WATCHER, *TEMPORARY]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(" ".join(needle.hex() for needle in needles().values()).encode() + b"\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"looks\n", sys.executable
    try:
        yield seen
    finally:
        process.stdin.close()
        seen |= set(json.loads(process.stdout.read()))
        process.wait(30)
