#!/bin/sh
# Reads and prints; nothing is changed, nothing needs rights beyond the account's own.
set -u
echo "== since"; cat /proc/uptime
echo "== load"; cat /proc/loadavg
echo "== memory"; head -n 5 /proc/meminfo
echo "== disks"; df -h
echo "== busiest"; ps -eo pid,user,pcpu,pmem,comm --sort=-pcpu 2>/dev/null | head -n 12
exit 0
