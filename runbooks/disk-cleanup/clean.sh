#!/bin/sh
# Deletes files older than PARAM_DAYS below one folder of the home; never follows links, never leaves the file system.
set -eu
place="$HOME/$PARAM_FOLDER"
[ -d "$place" ] || { echo "nothing to clean: $place is not there"; echo "freed_bytes=0" >>"$OPSPORTAL_OUTPUT"; exit 0; }
before=$(du -sxb -- "$place" | cut -f1)
find "$place" -xdev -type f -mtime "+$PARAM_DAYS" -print -delete
after=$(du -sxb -- "$place" | cut -f1)
echo "freed $((before - after)) bytes"
echo "freed_bytes=$((before - after))" >>"$OPSPORTAL_OUTPUT"
