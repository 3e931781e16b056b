"""What a host needs so that runs are let in at a level of trust: a script for root that does all of it or nothing."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from procedures.ssh import restricted
from procedures.ssh.restricted import FOLDER

DROP_INS = "/etc/ssh/sshd_config.d"
INCLUDE = f"Include {DROP_INS}/*.conf"
TOOLS = ("sh", "base64", "sha256sum", "mktemp", "setsid", "timeout", "find", "grep")
OWN_TOOLS = {"restricted": ("ssh-keygen", "date", "id"), "certificate": ()}
END = "OPSPORTAL_END"
SETTINGS = (
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
Level = Literal["restricted", "certificate"]


@dataclass(frozen=True, slots=True)
class Need:
    """What one target must let in. `authority` is the environment's public key, `sudo` whole commands.

    `public` and `source` are a restricted key and the addresses of its runner. Until `closed` the lower level goes on
    working; then this one alone is let in. `config` is sshd's configuration where it is not the usual one;
    `host_certificate` what the issuer signed for the host's own key, empty where there is none, and `demanded` whether
    nobody logs in without it.
    """

    target: str
    account: str
    authority: str
    sudo: Sequence[str] = ()
    level: Level = "certificate"
    public: str = ""
    source: str = ""
    closed: bool = True
    config: str = ""
    host_certificate: str = ""
    demanded: bool = True

    @property
    def principal(self) -> str:
        return f"{self.account}@{self.target}"

    @property
    def keys_file(self) -> str:
        """The only file of keys once the level is closed."""
        return "none" if self.level == "certificate" else f"{FOLDER}/keys/%u"

    @property
    def sshd(self) -> str:
        return f"sshd{f' -f {shlex.quote(self.config)}' if self.config else ''}"


def asking(need: Need) -> str:
    """Lines that ask sshd what it does with the account: `T` holds its answer, `of NAME` one setting."""
    return "\n".join(
        [
            "PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin",
            f"look() {{ {need.sshd} -T -C user={need.account},host=x,addr=127.0.0.1; }}",
            'of() { printf "%s\\n" "$T" | sed -n "s/^$1 //p" | head -n 1; }',
        ]
    )


HEAD = r"""set -eu
say() { echo "opsportal: $1" >&2; }
fail() { say "$1: nothing was changed"; exit 1; }
[ "$(id -u)" = 0 ] || fail 'run this as root'
F=; made=
W=$(mktemp -d /var/tmp/opsportal.XXXXXXXX)
back() {
  for f in $F; do if [ -e "$W/old$f" ]; then cp -p "$W/old$f" "$f"; else rm -f "$f"; fi; done
  [ -z "$made" ] || userdel -r "$made" 2>/dev/null || :
}
trap 'R=$?; [ "$R" = 0 ] || back; rm -rf "$W"; exit "$R"' EXIT
trap 'exit 1' HUP INT TERM
put() { mkdir -p "$W/new${1%/*}"; cat >"$W/new$1"; chmod "$2" "$W/new$1"; F="$F $1"; }
same() { for f in $F; do cmp -s "$W/new$f" "$f" || return 1; done; }
"""
APPLY = r"""if same; then say "TARGET: it is so already"; exit 0; fi
for f in $F; do if [ -e "$f" ]; then mkdir -p "$W/old${f%/*}"; cp -p "$f" "$W/old$f"; fi; done
for f in $F; do install -d -m 0755 "${f%/*}"; cp -p "$W/new$f" "$f.opsportal-new"; mv -f "$f.opsportal-new" "$f"; done
SSHD -t || fail 'sshd refuses the new configuration'
T=$(look) || fail 'sshd refuses the new configuration'
"""
RELOAD = r"""reload() {
  if [ -d /run/systemd/system ]; then systemctl reload ssh 2>/dev/null || systemctl reload sshd
  else kill -HUP "$(cat "$(of pidfile)")"; fi
}
reload || fail 'sshd could not be told to read its configuration again'
rm -rf FOLDER/before; mkdir -p FOLDER/before; [ ! -d "$W/old" ] || cp -a "$W/old/." FOLDER/before
{ echo "# Puts back what was here before; run it as root."
  echo "for f in $F; do if [ -e FOLDER/before\$f ]; then cp -p FOLDER/before\$f \$f; else rm -f \$f; fi; done"
  echo "SSHD -t && if [ -d /run/systemd/system ]; then systemctl reload ssh 2>/dev/null || systemctl reload sshd"
  echo "else kill -HUP \$(cat $(of pidfile)); fi"
} >FOLDER/back
say "TARGET: DONE; the way back is: sh FOLDER/back"
"""


def script(need: Need) -> str:
    """Commands for root on the host, safe to run again. What fails on the way puts everything back as it was.

    sshd is asked before it reloads, and must be seen to go by what was written. Root's own login stays as it is.
    """
    rows = [f"# {need.target}: run as root on the host", HEAD + asking(need)]
    tools = " ".join((*TOOLS, *OWN_TOOLS[need.level], "sshd", "cmp", "install", "sed"))
    rows.append(f'for t in {tools}; do command -v "$t" >/dev/null || fail "the program $t is missing"; done')
    rows.append("T=$(look) || fail 'sshd does not take its configuration as it is; mend that first'")
    rows += [*_files(need), *_keys(need)]
    rows.append(
        f"id -u {need.account} >/dev/null 2>&1 || "
        f"{{ useradd --create-home --shell /bin/sh {need.account} && made={need.account}; }}"
    )
    rows.append(APPLY.replace("SSHD", need.sshd).replace("TARGET", need.target).rstrip())
    rows += [f"[ \"$(of {name})\" = {value} ] || fail '{_unread(name)}'" for name, value in _effective(need)]
    done = f"{need.level} alone is let in" if need.closed else f"{need.level} is let in beside what was"
    end = RELOAD.replace("FOLDER", FOLDER).replace("SSHD", need.sshd)
    return "\n".join([*rows, end.replace("TARGET", need.target).replace("DONE", done)])


def _unread(name: str) -> str:
    return f"sshd does not go by it ({name}): put `{INCLUDE}` at the top of sshd_config"


def _effective(need: Need) -> Iterator[tuple[str, str]]:
    """(setting as `sshd -T` names it, its value as a word of sh) that must be in force before sshd reloads."""
    if need.level == "certificate":
        yield "trustedusercakeys", f"{FOLDER}/ca.pub"
        yield "authorizedprincipalsfile", f"{FOLDER}/principals/%u"
        yield "revokedkeys", f"{FOLDER}/revoked"
    yield "authorizedkeysfile", need.keys_file if need.closed else '"$K"'


def _files(need: Need) -> Iterator[str]:
    yield _put(f"{FOLDER}/principals/{need.account}", need.principal)
    if need.level == "certificate":
        yield _put(f"{FOLDER}/ca.pub", need.authority)
        if need.host_certificate:
            yield _put(f"{FOLDER}/host-cert.pub", need.host_certificate)
    else:
        yield _put(f"{FOLDER}/signers", restricted.signers(need.authority))
        yield _put(restricted.PLACE, restricted.stub_file().rstrip("\n"), "0755")
        yield _put(f"{FOLDER}/keys/{need.account}", restricted.authorized_line(need.public, need.source))
    yield f"[ -e {FOLDER}/revoked ] || put {FOLDER}/revoked 0644 </dev/null"
    if need.sudo:
        place = f"/etc/sudoers.d/opsportal-{need.account}"
        rules = [f"{need.account} ALL=(root) NOPASSWD: {command}" for command in need.sudo]
        yield _put(place, "\n".join(rules), "0440")
        yield f"visudo -cqf \"$W/new{place}\" || fail 'visudo refuses the rules of sudo'"


def _keys(need: Need) -> Iterator[str]:
    """`K`: the files of keys until the level is closed; and sshd's drop-in, which holds for this account alone."""
    yield "K=$(of authorizedkeysfile)"
    if need.level == "restricted":
        own = f"{FOLDER}/keys/%u"
        yield f'K=$(echo {own}; for f in $K; do case $f in none|{own}) ;; *) echo "$f" ;; esac; done)'
        yield "K=$(echo $K)"
    shows = need.level == "certificate" and need.host_certificate
    lines = [f"HostCertificate {FOLDER}/host-cert.pub"] if shows else []  # no Match may hold it
    lines.append(f"Match User {need.account}")
    if need.level == "certificate":
        lines += [f"    TrustedUserCAKeys {FOLDER}/ca.pub", f"    AuthorizedPrincipalsFile {FOLDER}/principals/%u"]
    lines.append(f"    RevokedKeys {FOLDER}/revoked")
    lines.append(f"    AuthorizedKeysFile {need.keys_file if need.closed else '$K'}")
    lines += [f"    {name} {value}" for name, value in SETTINGS] if need.closed else []
    place = f"{DROP_INS}/10-opsportal-{need.account}.conf"
    yield f"put {place} 0644 <<{END}\n" + "\n".join([*lines, "Match all"]) + f"\n{END}"


def _put(place: str, text: str, mode: str = "0644") -> str:
    return f"put {place} {mode} <<'{END}'\n{text}\n{END}"
