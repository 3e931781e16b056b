"""The folder of a witness: its key, its name, its memory; made once, together."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from procedures.domain.errors import OpsError
from procedures.evidence.cosigning import CosigningKey
from procedures.evidence.notes import COSIGNATURE, ED25519, Verifier, read_verifier, sound_name
from procedures.evidence.verify import Turns
from procedures.evidence.witness import Witness
from procedures.evidence.witness_memory import FILE, Memory
from procedures.evidence.witness_server import Server, say

KEY, VERIFIER = "key", "witness.pub"
PR_SET_DUMPABLE = 4


class WitnessRefused(OpsError):
    """A witness that cannot be made or started as it was asked for."""

    code = "witness.refused"
    next_step = "See `opsportal witness --help`."


def make(folder: Path, name: str) -> Verifier:
    """The witness's verifier key; key and memory are made on the first call. Raises WitnessRefused."""
    if not sound_name(name):
        raise WitnessRefused(f"{name!r} is no name of a key: no spaces and no +, such as security.example.com/witness.")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (folder / VERIFIER).exists():
        held = load(folder).verifier
        if held.name != name:
            raise WitnessRefused(f"{folder} holds the witness {held.name}, and one folder holds one witness.")
        return held
    if (folder / FILE).exists() and not (folder / KEY).exists():
        raise WitnessRefused(f"{folder} holds a memory without a key: give an empty folder.")
    private = Ed25519PrivateKey.generate()
    _write(folder / KEY, private.private_bytes_raw())
    Memory.make(folder)
    verifier = CosigningKey(name, private).verifier
    _write(folder / VERIFIER, (verifier.text + "\n").encode())  # last: with it the folder is whole
    return verifier


def load(folder: Path) -> CosigningKey:
    """The key of the witness in `folder`. Raises WitnessRefused."""
    try:
        private = Ed25519PrivateKey.from_private_bytes((folder / KEY).read_bytes())
        said = read_verifier((folder / VERIFIER).read_text(), kind=COSIGNATURE)
    except (OSError, ValueError) as problem:
        raise WitnessRefused(f"{folder} holds no witness ({problem}). Make one: opsportal witness init.") from problem
    key = CosigningKey(said.name, private)
    if key.verifier != said:
        raise WitnessRefused(f"{folder / KEY} and {folder / VERIFIER} are of two witnesses.")
    return key


def logs_of(given: Iterable[str]) -> dict[str, list[Verifier]]:
    """Origin → keys, of `ORIGIN=KEY`, `KEY` (whose name is the origin) or a file of such lines. Raises OpsError."""
    found: dict[str, list[Verifier]] = {}
    for one in given:
        for line in [one] if "+" in one else _lines(Path(one)):
            before, _, after = line.partition("=")
            origin, key = ("", line) if "+" in before else (before, after)
            verifier = read_verifier(key, kind=ED25519)
            keys = found.setdefault(origin or verifier.name, [])
            keys += [] if verifier in keys else [verifier]
    return found


def turns_of(path: Path) -> Turns:
    """Changes of a log's key, as its portal publishes them. Raises WitnessRefused."""
    try:
        return Turns.read(path.read_bytes())
    except (OSError, ValueError) as problem:
        raise WitnessRefused(f"--turns {path} cannot be believed: {problem}.") from problem


def serve(
    folder: Path,
    address: tuple[str, int],
    logs: dict[str, list[Verifier]],
    alive: Callable[[], None],
    turns: Turns | None = None,
) -> None:
    """Answer until told to stop. Raises WitnessRefused, MemoryLost."""
    hide()
    key = load(folder)
    if any(verifier.raw == key.verifier.raw for keys in logs.values() for verifier in keys):
        raise WitnessRefused("A log's key is this witness's own: whoever signs the log cannot be its witness.")
    try:
        server = Server(address, Witness(key, Memory(folder), logs, turns=turns), alive)
    except OSError as problem:
        raise WitnessRefused(f"Cannot listen on {address[0]}:{address[1]} ({problem}).") from problem

    def end(number: int, frame: FrameType | None) -> None:
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    where = server.server_address
    say(f"{key.verifier.text} listens on {where[0]!s}:{where[1]}, for {', '.join(logs) or 'no log'}")
    with server:
        server.serve_forever()


def hide() -> None:
    """Take this process's memory out of sight of others of its user, where the kernel can."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def _lines(path: Path) -> list[str]:
    try:
        rows = [line.strip() for line in path.read_text().splitlines()]
    except (OSError, ValueError) as problem:
        raise WitnessRefused(f"--log {str(path)[:80]!r} is neither a key nor a file that can be read.") from problem
    return [row for row in rows if row and not row.startswith("#")]


def _write(path: Path, data: bytes) -> None:
    """Keep a private file for good: nothing is there before, and all of it after the power went."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
