#!/bin/sh
# Takes the draining mark away again.
set -eu
rm -f "$HOME/service/$PARAM_SERVICE.draining"
echo "$PARAM_SERVICE takes connections"
