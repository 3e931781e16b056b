#!/bin/sh
# Says hello and hands the greeting back as output.
set -eu
printf 'Hello, %s!\n' "$PARAM_NAME"
printf 'greeting=Hello, %s!\n' "$PARAM_NAME" >>"$OPSPORTAL_OUTPUT"
