"""Where an authority's key is: a file in the issuer's folder, or where the file beside it points (token, Vault)."""

from __future__ import annotations

import threading
from pathlib import Path

from procedures.ssh import at_vault, token_keys
from procedures.ssh.authority import HOSTS, USERS, in_file
from procedures.ssh.certifying import AuthorityAway, AuthorityOf, SshAuthority

__all__ = ["HOSTS", "USERS", "authorities", "elsewhere", "is_there", "note_of", "point"]
_kept: dict[tuple[str, Path], SshAuthority] = {}
_lock = threading.Lock()


def note_of(folder: Path, what: str, environment: str) -> Path:
    """The file whose one line says that the key of an authority lies elsewhere."""
    return folder / f"{what}-{environment}.at"


def is_there(folder: Path, environment: str, what: str = USERS) -> bool:
    """Whether an authority's key lies here, or a word where it lies."""
    return (folder / f"{what}-{environment}").exists() or note_of(folder, what, environment).exists()


def authorities(folder: Path, what: str = USERS) -> AuthorityOf:
    """Each environment's authority, wherever its key is. `ssh-ca-E` lets runs in, `host-ca-E` certifies hosts.

    One that lies here is made on first use. What it gives raises AuthorityAway.
    """

    def of(environment: str) -> SshAuthority:
        note = note_of(folder, what, environment)
        if note.exists():
            return elsewhere(note.read_text().strip(), folder)
        return in_file(folder / f"{what}-{environment}")

    return of


def elsewhere(uri: str, folder: Path) -> SshAuthority:
    """The authority at "pkcs11:…" or "vault:…", one for this process. Raises AuthorityAway."""
    with _lock:
        if (uri, folder) not in _kept:
            _kept[uri, folder] = _at(uri, folder)
        return _kept[uri, folder]


def point(folder: Path, environment: str, what: str, uri: str) -> SshAuthority:
    """Let an authority's key lie elsewhere from now on, once it was seen to be there.

    Raises AuthorityAway; also where one lies here already, which hosts may trust.
    """
    if (folder / f"{what}-{environment}").exists():
        raise AuthorityAway(f"{what}-{environment} lies in {folder}: take it away, and let hosts trust the other.")
    found = elsewhere(uri, folder)
    if not found.public:
        raise AuthorityAway(f"{uri} shows no public key.")
    note_of(folder, what, environment).write_text(uri + "\n")
    return found


def _at(uri: str, folder: Path) -> SshAuthority:
    if uri.startswith(token_keys.SCHEME):
        return token_keys.authority_in_token(uri)
    if uri.startswith(at_vault.SCHEME):
        return at_vault.VaultAuthority(at_vault.place_of(uri, folder))
    raise AuthorityAway(f"{uri[:80]!r} is no place of an authority: pkcs11:… or vault:… (handbook, The issuer).")
