#!/bin/sh
# Starts it through supervisord where the account has one, else through systemd.
set -eu
conf="$HOME/service/supervisord.conf"
if [ -f "$conf" ]; then
  "$HOME/service/supervisorctl" -c "$conf" start "$PARAM_SERVICE"
else
  sudo -n systemctl start -- "$PARAM_SERVICE"
fi
