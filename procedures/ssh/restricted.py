"""A restricted key: one line of `authorized_keys` that runs a fixed stub, which runs only what the issuer signed.

sshd cannot bind a key to a command of the day as it binds a certificate, so the host's own stub does: it has
`ssh-keygen -Y verify` (OpenSSH 8.1 and later) look at a statement over the command's digest, this host and account and
the minutes in which it may begin, signed by the environment's authority, and goes on as the stub of a certificate does.
"""

from __future__ import annotations

import base64
from datetime import datetime
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from procedures.domain.ports import Lease
from procedures.domain.sshkeys import sign_sshsig
from procedures.ssh.authority import SKEW_S
from procedures.ssh.stub import STUB, command

NAMESPACE = "opsportal-command"
KIND = "opsportal-command/v1"
WORD = "opsportal"
SIGNER = "opsportal"
FOLDER = "/etc/ssh/opsportal"
PLACE = f"{FOLDER}/stub"
GATE = r"""#!/bin/sh
# What a restricted key of OpsPortal may run: one command that its portal signed for this host, once, within minutes.
set -uf; umask 077; PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export PATH
unset ENV BASH_ENV CDPATH
no() { echo "opsrun: $1" >&2; exit 126; }
IFS=' ' read -r word one two rest <<END
${SSH_ORIGINAL_COMMAND-}
END
[ "$word" = opsportal ] && [ -n "$two" ] && [ -z "$rest" ] || no "this key runs nothing but what its portal signed"
V=$(mktemp -d /dev/shm/ops.XXXXXXXX 2>/dev/null) || V=$(mktemp -d /tmp/ops.XXXXXXXX) || no "no room to look at it"
printf %s "$one" | base64 -d >"$V/statement" 2>/dev/null && printf %s "$two" | base64 -d >"$V/signature" 2>/dev/null \
  && ssh-keygen -Y verify -f FOLDER/signers -I opsportal -n opsportal-command -s "$V/signature" \
    <"$V/statement" >/dev/null 2>&1 \
  || { rm -rf "$V"; no "its portal did not sign this"; }
IFS=' ' read -r kind digest limit from until principal lease about <"$V/statement"; rm -rf "$V"
[ "$kind" = opsportal-command/v1 ] || no "this statement is of another kind"
[ "${principal%%@*}" = "$(id -un)" ] && grep -qsxF -- "$principal" "FOLDER/principals/$(id -un)" \
  || no "this was signed for another host or account"
now=$(date +%s)
[ "$now" -ge "$from" ] || no "this may not begin yet: look at this host's clock"
[ "$now" -lt "$until" ] || no "the time to begin this is over"
logger -t opsportal -p auth.info -- "lease=$lease $about" 2>/dev/null
set -- stub "$digest" "$limit"; set +f
unset SSH_ORIGINAL_COMMAND word one rest kind from until principal lease about now V
two=
""".replace("FOLDER", FOLDER)


def stub_file() -> str:
    """The program at PLACE, for root alone to write."""
    return GATE + STUB


def signers(authority: str) -> str:
    """The line of allowed signers: the environment's authority, for commands alone."""
    return f'{SIGNER} namespaces="{NAMESPACE}" {" ".join(authority.split()[:2])}'


def authorized_line(public: str, source: str) -> str:
    """The line that lets a key in. `source` is a pattern list of addresses; raises ValueError where it is none."""
    if not source or set(source) & set('"\\\n\r \t') or len(public.split()) < 2:
        raise ValueError("A restricted key needs the address of the runner and a public key.")
    return f'restrict,from="{source}",command="{PLACE}" {" ".join(public.split()[:2])} opsportal-restricted'


def signed(
    authority: Ed25519PrivateKey,
    *,
    digest: str,
    limit_s: int,
    at: datetime,
    until: datetime,
    principal: str,
    lease: UUID,
    about: str,
) -> str:
    """The words that a client sends: statement and signature. `about` says in `name=value` words what it is for."""
    begin, end = int(at.timestamp()) - SKEW_S, int(until.timestamp())
    text = f"{KIND} {digest} {limit_s} {begin} {end} {principal} {lease} {about}\n".encode()
    made = sign_sshsig(authority, text, NAMESPACE).encode()
    return f"{WORD} {base64.b64encode(text).decode()} {base64.b64encode(made).decode()}"


def words(lease: Lease, digest: str, seconds: int) -> str:
    """What is asked of sshd with a lease: the signed statement, or the stub itself (a certificate ignores it)."""
    statement = lease.material.get("statement")
    return statement.reveal().decode() if statement else command(digest, seconds)
