"""What a host needs so that certificates of its environment let runs in: as a script, and as a list of checks."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

FOLDER = "/etc/ssh/opsportal"
DROP_IN = "/etc/ssh/sshd_config.d/10-opsportal.conf"
TOOLS = ("sh", "base64", "sha256sum", "mktemp", "setsid", "timeout", "find", "grep")
SETTINGS = (
    ("AuthorizedKeysFile", "none"),
    ("PasswordAuthentication", "no"),
    ("KbdInteractiveAuthentication", "no"),
    ("PermitTTY", "no"),
    ("AllowTcpForwarding", "no"),
    ("AllowAgentForwarding", "no"),
    ("X11Forwarding", "no"),
    ("PermitTunnel", "no"),
    ("LogLevel", "VERBOSE"),
    ("AcceptEnv", "none"),
    ("PermitUserRC", "no"),
)


@dataclass(frozen=True, slots=True)
class Need:
    """What one target must let in: `authority` is the environment's public key, `sudo` whole commands.

    `host_certificate` is what the issuer signed for the host's own key; empty where there is none.
    """

    target: str
    account: str
    authority: str
    sudo: Sequence[str] = ()
    host_certificate: str = ""

    @property
    def principal(self) -> str:
        return f"{self.account}@{self.target}"


def script(need: Need) -> str:
    """Commands for root on the host, safe to run again; nothing is left half done: sshd is asked before it reloads."""
    shows = [f"HostCertificate {FOLDER}/host-cert.pub"] if need.host_certificate else []  # no Match may hold it
    drop_in = [*shows, f"Match User {need.account}", f"    TrustedUserCAKeys {FOLDER}/ca.pub"]
    drop_in += [f"    RevokedKeys {FOLDER}/revoked", f"    AuthorizedPrincipalsFile {FOLDER}/principals/%u"]
    drop_in += [f"    {name} {value}" for name, value in SETTINGS] + ["Match all"]
    lines = [
        "set -eu",
        f"install -d -m 0755 {FOLDER} {FOLDER}/principals {DROP_IN.rpartition('/')[0]}",
        *_file(f"{FOLDER}/ca.pub", [need.authority]),
        *_file(f"{FOLDER}/principals/{need.account}", [need.principal]),
        *(_file(f"{FOLDER}/host-cert.pub", [need.host_certificate]) if need.host_certificate else []),
        f"test -e {FOLDER}/revoked || : > {FOLDER}/revoked",
        f"id -u {need.account} >/dev/null 2>&1 || useradd --create-home --shell /bin/sh {need.account}",
        *_file(DROP_IN, drop_in),
    ]
    if need.sudo:
        place = f"/etc/sudoers.d/opsportal-{need.account}"
        rules = [f"{need.account} ALL=(root) NOPASSWD: {command}" for command in need.sudo]
        lines += [*_file(f"{place}.new", rules), f"visudo -cqf {place}.new", f"chmod 0440 {place}.new"]
        lines.append(f"mv {place}.new {place}")
    lines += [
        "sshd -t",
        "systemctl reload ssh 2>/dev/null || systemctl reload sshd 2>/dev/null || pkill -HUP -o -x sshd",
    ]
    return "\n".join([f"# {need.target}: run as root on the host", *lines, ""])


def _file(place: str, lines: Sequence[str]) -> list[str]:
    return [f"printf '%s\\n' {' '.join(map(shlex.quote, lines))} > {place}", f"chmod 0644 {place}"]


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at. `state`: ok, missing, or unknown where nobody could look."""

    state: str
    what: str
    next_step: str = ""


def probe(need: Need, *, config: str = "") -> str:
    """A script that only looks, and prints `state<TAB>key` for each thing; run it on the host as root."""
    sshd = f"sshd -T{f' -f {shlex.quote(config)}' if config else ''} -C user={need.account},host=x,addr=127.0.0.1"
    rows = [
        "PATH=$PATH:/usr/sbin:/sbin",
        'say() { if [ "$1" = 0 ]; then echo "ok\t$2"; else echo "missing\t$2"; fi; }',
        f"id -u {need.account} >/dev/null 2>&1; say $? account",
        f"home=$(getent passwd {need.account} 2>/dev/null | cut -d: -f6)",
        '[ -n "$home" ] && [ -d "$home" ]; say $? home',
    ]
    rows += [f"command -v {tool} >/dev/null; say $? tool:{tool}" for tool in TOOLS]
    rows += [
        f'T=$({sshd} 2>/dev/null) || {{ echo "unknown\tsshd"; exit 0; }}',
        'of() { printf "%s\\n" "$T" | sed -n "s/^$1 //p" | head -n 1; }',
        f'grep -qsF {shlex.quote(need.authority.split()[1])} "$(of trustedusercakeys)"; say $? authority',
        f'P=$(of authorizedprincipalsfile | sed "s/%u/{need.account}/")',
        f'grep -qsxF {shlex.quote(need.principal)} "$P"; say $? principal',
        '[ -e "$(of revokedkeys)" ]; say $? revoked',
    ]
    rows += [f'[ "$(of {name.lower()})" = {value} ]; say $? {name}' for name, value in SETTINGS]
    if need.host_certificate:
        rows.append(f'grep -qsF {need.host_certificate.split()[1]} "$(of hostcertificate)"; say $? hostcertificate')
    if need.sudo:
        rows.append(f"grep -qs '^{need.account} ' /etc/sudoers.d/opsportal-{need.account}; say $? sudo")
    return "\n".join(rows) + "\n"


def read(said: str, need: Need) -> Iterator[Line]:
    """What the probe printed, each line with the next step where it is not well."""
    rows = (row.partition("\t") for row in said.splitlines())
    found = {key: state for state, tab, key in rows if tab}
    for key, what, step in _wanted(need):
        state = found.get(key, "unknown")
        yield Line(state, what, "" if state == "ok" else _looked(state, step))


def _looked(state: str, step: str) -> str:
    return step if state == "missing" else "run the check as root (--as root@HOST): only root may ask sshd what it does"


def _wanted(need: Need) -> Iterator[tuple[str, str, str]]:
    again = f"run what `opsportal target onboard {need.target} --account {need.account}` prints, as root on the host"
    yield "account", f"the account {need.account}", again
    yield "home", f"the home folder of {need.account}", f"mkhomedir_helper {need.account}, or useradd --create-home"
    for tool in TOOLS:
        yield f"tool:{tool}", f"the program {tool}", "install coreutils, util-linux, findutils and grep"
    yield "authority", "TrustedUserCAKeys holds the environment's authority", again
    yield "principal", f"AuthorizedPrincipalsFile holds {need.principal}", again
    yield "revoked", "RevokedKeys names a file that is there", f"touch {FOLDER}/revoked: without it sshd lets nobody in"
    for name, value in SETTINGS:
        yield name, f"{name} {value}", again
    if need.host_certificate:
        yield "hostcertificate", "HostCertificate holds the newest certificate of the host's key", again
    if need.sudo:
        yield "sudo", f"what {need.account} may do by sudo", again
