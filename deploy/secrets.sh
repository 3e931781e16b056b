#!/bin/sh
# Makes the secrets of docker-compose.yml and of the systemd units in deploy/secrets (or the folder that is given), once.
# What is there stays: another secret-key voids every code app, another database password locks the portal out.
set -eu
umask 077
folder="${1:-$(dirname "$0")/secrets}"
mkdir -p "$folder/identity-providers"
random() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }
keep() { [ -s "$folder/$1" ] || printf '%s\n' "$2" > "$folder/$1"; }
keep secret-key "$(random 48)"
keep other-secret-key "$(random 48)"
keep database-password "$(random 24)"
keep broker-password "$(random 24)"
keep database-url "postgres://opsportal:$(cat "$folder/database-password")@${DATABASE_HOST:-postgres}:5432/opsportal"
keep broker-url "redis://:$(cat "$folder/broker-password")@${BROKER_HOST:-redis}:6379/0"
# The folder keeps others of this host out; a container sees the single file that it is given, as a user of its own.
find "$folder" -type f -exec chmod 0444 {} +
chmod 0755 "$folder/identity-providers"
printf 'Secrets are in %s.\n' "$folder"
