#!/bin/sh
# Fails unless the service runs; tells since when.
set -eu
conf="$HOME/service/supervisord.conf"
if [ -f "$conf" ]; then
  state=$("$HOME/service/supervisorctl" -c "$conf" status "$PARAM_SERVICE" || true)
  echo "$state"
  case $state in *RUNNING*) ;; *) exit 1 ;; esac
else
  systemctl is-active -- "$PARAM_SERVICE"
fi
echo "state=running" >>"$OPSPORTAL_OUTPUT"
