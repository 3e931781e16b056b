#!/bin/sh
# Makes the secrets of docker-compose.yml and of the systemd units in deploy/secrets (or the folder that is given), once.
# What is there stays: another secret-key voids every code app, another database password locks the portal out.
set -eu
umask 077
folder="${1:-$(dirname "$0")/secrets}"
mkdir -p "$folder/identity-providers" "$folder/collectors" "$folder/certificates"
random() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }
empty() { [ -e "$folder/$1" ] || : > "$folder/$1"; }
keep() { [ -s "$folder/$1" ] || printf '%s\n' "$2" > "$folder/$1"; }
keep secret-key "$(random 48)"
keep other-secret-key "$(random 48)"
keep database-password "$(random 24)"
keep broker-password "$(random 24)"
# What nobody needs to have: a mail server's URL, a token with which programs follow the log (32 characters or more), and
# credentials of the store for copies of the log. Fill in what you use, and restart who reads it.
for name in smtp-url log-token aws-credentials; do empty "$name"; done
database="${DATABASE_HOST:-postgres}:5432/opsportal"
# The owner of the tables, who migrates; then a login for each part, which `opsportal install --login` brings to life.
keep database-url "postgres://opsportal:$(cat "$folder/database-password")@$database"
logins="web scheduler sequencer egress disposable"
for environment in development staging production; do logins="$logins runner-$environment issuer-$environment"; done
for part in $logins; do
  keep "database-url-$part" "postgres://opsportal_$(printf %s "$part" | sed 's/-/_/'):$(random 24)@$database"
done
broker="${BROKER_HOST:-redis}:${BROKER_PORT:-6379}/0"
keep broker-url "redis://:$(cat "$folder/broker-password")@$broker"
# One broker user for each pool, which reaches its own queue alone; the first one, of web and scheduler, only sends.
link='-@all +@connection -client|list -client|kill'
takes='+brpop +lpush +rpush +llen +smembers +sadd +hset +hget +hdel +hlen +zadd +zrem +zrange +zrevrangebyscore +set +get'
takes="$takes +del +pexpire +watch +unwatch +multi +exec +discard +evalsha +script|load +eval"
sends='+lpush +llen +smembers +sadd +multi +exec'
hashed() { sed -n 's|^redis://[^:]*:\([^@]*\)@.*|\1|p' "$folder/$1" | tr -d '\n' | sha256sum | cut -d ' ' -f 1; }
reach='~opsportal.environment.* ~opsportal.disposable ~opsportal._kombu.*'
users="user default on #$(hashed broker-url) resetkeys $reach resetchannels $link $sends"
for pool in development staging production disposable; do
  keep "broker-url-$pool" "redis://runner-$pool:$(random 24)@$broker"
  [ "$pool" = disposable ] && queue=disposable || queue="environment.$pool"
  users="$users
user runner-$pool on #$(hashed "broker-url-$pool") resetkeys ~*$queue resetchannels $link $takes"
done
keep broker-users "$users"
# The folder keeps others of this host out; a container sees the single file that it is given, as a user of its own.
find "$folder" -type f -exec chmod 0444 {} +
chmod 0755 "$folder/identity-providers" "$folder/collectors" "$folder/certificates"
printf 'Secrets are in %s.\n' "$folder"
