#!/bin/sh
# rootless.sh PROGRAM KEEPER: runs the tests of hosts as an ordinary user. As root this
# makes a user's view of the machine for the time of the test: in a mount namespace, where
# /dev/net/tun is open to all as Debian's udev has it.
set -eu
program=$1
keeper=$2
if [ "$(id -u)" != 0 ]; then
    exec "$program"
fi
if ! command -v setpriv >/dev/null || ! [ -c /dev/net/tun ]; then
    echo "SKIPPED: needs setpriv and /dev/net/tun" >&2
    exit 0
fi
# shellcheck disable=SC2016 # the inner shell expands it
exec unshare --mount --propagation private sh -euc '
    mount -t tmpfs -o mode=1777 tmpfs /mnt
    mknod /mnt/tun c 10 200
    chmod 666 /mnt/tun
    mount --bind /mnt/tun /dev/net/tun
    mkdir -m 1777 /mnt/tmp
    cp "$1" /mnt/tests
    cp "$2" /mnt/pleat-keeper
    cd /mnt/tmp
    export TMPDIR=/mnt/tmp XDG_RUNTIME_DIR= HOME=/mnt/tmp
    exec setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs /mnt/tests
' sh "$program" "$keeper"
