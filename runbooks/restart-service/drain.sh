#!/bin/sh
# Marks the service as draining, so that health checks fail and the balancer sends nothing new; then waits.
set -eu
mkdir -p "$HOME/service"
: >"$HOME/service/$PARAM_SERVICE.draining"
echo "draining $PARAM_SERVICE for $PARAM_GRACE s"
sleep "$PARAM_GRACE"
