"""Looking at a host: what it needs at its level of trust, each thing with its state and the next step."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from opsportal.cli.onboarding import OWN_TOOLS, SETTINGS, TOOLS, Need, asking
from procedures.ssh import restricted
from procedures.ssh.restricted import FOLDER

LOCALES = r"none|LANG|LANGUAGE|LC_\*|COLORTERM|NO_COLOR"  # what distributions let in: none of it names a program
ADD_UP = "take it out of sshd's other files: AcceptEnv's lines add up, and no Match takes one away"


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at. `state`: ok, missing, later (nothing waits for it), unknown (nobody could look)."""

    state: str
    what: str
    next_step: str = ""


def probe(need: Need, *, config: str = "", old: str = "") -> str:
    """A script that only looks, and prints `state<TAB>key` for each thing; run it on the host as root.

    `old` is a public key that nobody should be let in by any more, whatever the account.
    """
    config = config or need.config
    sshd = f"sshd{f' -f {shlex.quote(config)}' if config else ''} -T -C user={need.account},host=x,addr=127.0.0.1"
    rows = [
        asking(need),
        'say() { if [ "$1" = 0 ]; then echo "ok\t$2"; else echo "missing\t$2"; fi; }',
        f"id -u {need.account} >/dev/null 2>&1; say $? account",
        f"home=$(getent passwd {need.account} 2>/dev/null | cut -d: -f6)",
        '[ -n "$home" ] && [ -d "$home" ]; say $? home',
    ]
    rows += [f"command -v {tool} >/dev/null; say $? tool:{tool}" for tool in (*TOOLS, *OWN_TOOLS[need.level])]
    rows.append(f'T=$({sshd} 2>/dev/null) || {{ echo "unknown\tsshd"; exit 0; }}')
    rows += _restricted(need) if need.level == "restricted" else _certificate(need)
    if need.closed:
        rows.append(f'[ "$(of authorizedkeysfile)" = {need.keys_file} ]; say $? AuthorizedKeysFile')
        once = (pair for pair in SETTINGS if pair[0] != "AcceptEnv")
        rows += [f'[ "$(of {name.lower()})" = {value} ]; say $? {name}' for name, value in once]
        rows.append(
            f"printf '%s\\n' \"$T\" | sed -n 's/^acceptenv //p' | grep -qvxE '{LOCALES}'; [ $? = 1 ]; say $? AcceptEnv"
        )
    if need.sudo:
        rows.append(f"grep -qs '^{need.account} ' /etc/sudoers.d/opsportal-{need.account}; say $? sudo")
    if old:
        rows += _old(old)
    return "\n".join(rows) + "\n"


def _certificate(need: Need) -> Iterator[str]:
    yield f'grep -qsF {shlex.quote(need.authority.split()[1])} "$(of trustedusercakeys)"; say $? authority'
    yield f'P=$(of authorizedprincipalsfile | sed "s/%u/{need.account}/")'
    yield f'grep -qsxF {shlex.quote(need.principal)} "$P"; say $? principal'
    yield '[ -e "$(of revokedkeys)" ]; say $? revoked'
    if need.host_certificate:
        yield f'grep -qsF {need.host_certificate.split()[1]} "$(of hostcertificate)"; say $? hostcertificate'


def _restricted(need: Need) -> Iterator[str]:
    line = restricted.authorized_line(need.public, need.source)
    yield f"grep -qsxF {shlex.quote(restricted.signers(need.authority))} {FOLDER}/signers; say $? authority"
    yield f"grep -qsxF {shlex.quote(need.principal)} {FOLDER}/principals/{need.account}; say $? principal"
    yield f"printf %s {shlex.quote(restricted.stub_file())} | cmp -s - {restricted.PLACE}; say $? stub"
    yield f'case " $(of authorizedkeysfile) " in *" {FOLDER}/keys/%u "*) true ;; *) false ;; esac &&'
    yield f"  grep -qsxF {shlex.quote(line)} {FOLDER}/keys/{need.account}; say $? line"


def _old(public: str) -> Iterator[str]:
    """Which accounts' usual files hold a key, though sshd would read them."""
    blob = shlex.quote(public.split()[1])
    yield "getent passwd | while IFS=: read -r who x x x x home x; do"
    yield f'  grep -qsF {blob} "$home/.ssh/authorized_keys" "$home/.ssh/authorized_keys2" || continue'
    yield '  U=$(sshd -T -C "user=$who,host=x,addr=127.0.0.1" 2>/dev/null | sed -n "s/^authorizedkeysfile //p")'
    yield '  case $U in *.ssh/authorized_keys*) echo "opens\t$who" ;; esac'
    yield "done"
    yield 'echo "ok\told"'


def read(said: str, need: Need, *, old: str = "") -> Iterator[Line]:
    """What the probe printed, each line with the next step where it is not well."""
    rows = [row.partition("\t") for row in said.splitlines()]
    found = {key: state for state, tab, key in rows if tab and state != "opens"}
    for key, what, step in _wanted(need):
        state = found.get(key, "unknown")
        if (key, state, need.demanded) == ("hostcertificate", "missing", False):
            yield Line("later", what, f"opsportal target upgrade {need.target} brings it")
        else:
            yield Line(state, what, "" if state == "ok" else _looked(state, step))
    if old:
        yield _opened([key for state, _, key in rows if state == "opens"], found.get("old", "unknown"))


def _opened(accounts: list[str], looked: str) -> Line:
    what = "the old key opens nothing"
    if accounts:
        names = ", ".join(accounts)
        return Line("missing", what, f"it still opens {names}: take its line out of their ~/.ssh/authorized_keys")
    return Line(looked, what, "" if looked == "ok" else _looked(looked, ""))


def _looked(state: str, step: str) -> str:
    return (
        step
        if state in {"missing", "later"}
        else "run the check as root (--as root@HOST): only root may ask sshd what it does"
    )


def _wanted(need: Need) -> Iterator[tuple[str, str, str]]:
    words = f"opsportal target onboard {need.target} --account {need.account} --to {need.level}"
    again = f"run what `{words}` prints, as root on the host"
    yield "account", f"the account {need.account}", again
    yield "home", f"the home folder of {need.account}", f"mkhomedir_helper {need.account}, or useradd --create-home"
    for tool in (*TOOLS, *OWN_TOOLS[need.level]):
        yield f"tool:{tool}", f"the program {tool}", "install coreutils, util-linux, findutils, grep and openssh-client"
    if need.level == "certificate":
        yield "authority", "TrustedUserCAKeys holds the environment's authority", again
        yield "principal", f"AuthorizedPrincipalsFile holds {need.principal}", again
        yield (
            "revoked",
            "RevokedKeys names a file that is there",
            f"touch {FOLDER}/revoked: without it sshd lets nobody in",
        )
        if need.host_certificate:
            yield "hostcertificate", "HostCertificate holds the newest certificate of the host's key", again
    else:
        yield "authority", f"{FOLDER}/signers holds the environment's authority", again
        yield "principal", f"{FOLDER}/principals/{need.account} holds {need.principal}", again
        yield "stub", f"{restricted.PLACE} is the stub of this portal", again
        yield "line", f"{FOLDER}/keys/{need.account} holds the restricted key, and sshd reads it", again
    if need.closed:
        closed = f"run what `{words} --close` prints: then this level alone is let in"
        yield "AuthorizedKeysFile", f"AuthorizedKeysFile {need.keys_file}", closed
        for name, value in SETTINGS:
            adds_up = name == "AcceptEnv"
            yield (
                name,
                "AcceptEnv lets in nothing but a locale" if adds_up else f"{name} {value}",
                (ADD_UP if adds_up else closed),
            )
    if need.sudo:
        yield "sudo", f"sudo rules of {need.account}", again
