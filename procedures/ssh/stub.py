"""The stub that runs on a target: checks the digest, uses it once, keeps a lifeline, leaves nothing alive.

A network that is cut says nothing: sshd may wait for hours. So whoever is at the other end of the lifeline says `beat`
every five seconds, and once it has said so, 15 to 20 seconds of silence end what runs.

POSIX sh with coreutils, util-linux and procps-free /proc; no Python on the target. It is the forced command of a
certificate, or what is executed where a host is trusted by a plain key.
"""

from __future__ import annotations

import base64
import hashlib

STUB = r"""
set -u; umask 077; digest=$2; limit=$3
fail() { echo "opsrun: $1" >&2; exit "$2"; }
D=$(mktemp -d "${XDG_RUNTIME_DIR:-/dev/shm}/ops.XXXXXXXX" 2>/dev/null) || D=$(mktemp -d /tmp/ops.XXXXXXXX) || exit 125
trap 'rm -rf "$D"' EXIT
IFS= read -r one && IFS= read -r two || fail "the request ended too early" 125
got=$(printf '%s\n%s\n' "$one" "$two" | sha256sum | cut -c1-64)
[ "$got" = "$digest" ] || fail "this is not the command that was approved" 126
used="$HOME/.opsportal-used"; mkdir -p "$used" || fail "cannot remember what was used" 125
find "$used" -mindepth 1 -maxdepth 1 -mmin +1500 -exec rmdir {} + 2>/dev/null
mkdir "$used/$got" 2>/dev/null || fail "this credential was used already" 126
printf %s "$one" | base64 -d >"$D/script" || fail "line 1 is broken" 125
printf %s "$two" | base64 -d >"$D/rows" || fail "line 2 is broken" 125
: >"$D/argv"; : >"$D/output"
while read -r kind name value; do
  case $kind in
    A) printf '%s\n' "$value" >>"$D/argv" || fail "there is no room for what was sent" 125 ;;
    F) printf %s "$value" | base64 -d >"$D/$name" || fail "there is no room for what was sent" 125 ;;
    E) v=$(printf %s "$value" | base64 -d; printf x); export "$name=${v%x}" ;;
  esac
done <"$D/rows"
rm -f "$D/rows"; unset v value one
seal=$(printf 'trailer%s' "$two" | sha256sum | cut -c1-64); unset two
read -r first <"$D/script" || first=
case $first in '#!'*) with=${first#??} ;; *) with=/bin/sh ;; esac
alive() { grep -lsa "OPSPORTAL_NONCE=$got" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3; }
reap() {
  kill -TERM -- "-$P" 2>/dev/null; for p in $(alive); do kill -TERM "$p" 2>/dev/null; done
  i=0; while [ $i -lt 5 ] && [ -n "$(alive)" ]; do sleep 0.1; i=$((i + 1)); done
  i=0; while [ $i -lt 20 ] && [ -n "$(alive)" ]; do
    for p in $(alive); do kill -KILL "$p" 2>/dev/null; done; sleep 0.05; i=$((i + 1)); done
}
exec 3<&0
env OPSPORTAL_NONCE="$got" OPSPORTAL_DIR="$D" OPSPORTAL_PARAMETERS="$D/parameters" OPSPORTAL_OUTPUT="$D/output" \
  setsid timeout -k 1 "$limit" $with "$D/script" <"$D/stdin" 3<&- &
P=$!
( while IFS= read -r word <&3; do
    case $word in stop) break ;; beat) : >"$D/beat" ;; esac
  done; : >"$D/stopped"; reap ) >/dev/null 2>&1 &
W=$!
( trap 'kill "$s" 2>/dev/null; exit' TERM; seen=; missed=0
  while sleep 5 & s=$!; wait "$s"; do
    if [ -e "$D/beat" ]; then rm -f "$D/beat"; seen=1; missed=0; elif [ -n "$seen" ]; then missed=$((missed + 1)); fi
    [ "$missed" -lt 3 ] || { reap; break; }
  done ) </dev/null >/dev/null 2>&1 3<&- &
K=$!
wait "$P"; R=$?
[ -e "$D/stopped" ] && wait "$W"
kill "$W" "$K" 2>/dev/null
[ -n "$(alive)" ] && reap
left=dead; [ -n "$(alive)" ] && left=alive
printf '\n::opsportal %s %s %s %s\n' "$seal" "$R" "$left" "$(head -c 262145 "$D/output" | base64 | tr -d '\n')" >&2
exit "$R"
"""


def command(digest: str, seconds: int) -> str:
    """One line for any login shell: base64 words alone, since tcsh and fish read quotes in their own ways."""
    text = base64.b64encode(STUB.encode()).decode()
    return f'exec sh -c \'eval "$(printf %s "$1" | base64 -d)"\' opsrun {text} {digest} {seconds}'


def trailer_mark(line2: bytes) -> bytes:
    """What begins the stub's last words; derived from line 2, so the script cannot forge it."""
    return b"\n::opsportal " + hashlib.sha256(b"trailer" + line2).hexdigest().encode() + b" "
