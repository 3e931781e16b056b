#!/bin/sh
# An sshd on port 2222 (or PORT) for the account `deploy`. TARGET is this target's name, CARD the card of its
# environment's issuer.
set -eu
place=/var/lib/target
if [ "${1:-}" = alive ]; then
  kill -0 "$(cat /tmp/sshd.pid)"
  exit
fi
[ -s "$place/hostkey" ] || ssh-keygen -q -t ed25519 -N '' -f "$place/hostkey"
sed -n 's/^ *"authority": "\(ssh-ed25519 [A-Za-z0-9+\/=]*\)",\{0,1\}$/\1/p' "$CARD" > /tmp/ca.pub
[ -s /tmp/ca.pub ] || { printf '%s names no certificate authority.\n' "$CARD" >&2; exit 1; }
printf 'deploy@%s\n' "$TARGET" > /tmp/principals
: > /tmp/revoked
cat > /tmp/sshd_config <<END
Port ${PORT:-2222}
HostKey $place/hostkey
PidFile /tmp/sshd.pid
UsePAM no
StrictModes no
LogLevel VERBOSE
PasswordAuthentication no
KbdInteractiveAuthentication no
AuthorizedKeysFile none
TrustedUserCAKeys /tmp/ca.pub
AuthorizedPrincipalsFile /tmp/principals
RevokedKeys /tmp/revoked
AcceptEnv none
PermitTTY no
AllowTcpForwarding no
AllowAgentForwarding no
X11Forwarding no
PermitTunnel no
PermitUserRC no
END
printf 'Host key, for the page Environments: %s\n' "$(cut -d' ' -f1,2 "$place/hostkey.pub")"
exec /usr/sbin/sshd -D -e -f /tmp/sshd_config
