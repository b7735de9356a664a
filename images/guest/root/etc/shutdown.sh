#!/bin/sh
# shutdown.sh [poweroff|reboot|halt]: ends everything, leaves file systems clean, then asks the kernel.
# The power button runs it without an argument.
. /etc/jy.sh
say "${1:-poweroff}"
kill -TERM -1
usleep 100000
kill -KILL -1
awk '$1 ~ "^/dev/" { print $2 }' /proc/mounts | while read -r mount; do umount -r "$mount"; done
sync
exec busybox "${1:-poweroff}" -f
