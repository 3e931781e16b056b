#!/bin/sh
# Restarts through supervisord where the account has one, else through systemd.
set -eu
conf="$HOME/service/supervisord.conf"
if [ -f "$conf" ]; then
  "$HOME/service/supervisorctl" -c "$conf" restart "$PARAM_SERVICE"
else
  sudo -n systemctl restart -- "$PARAM_SERVICE"
fi
