#!/bin/sh
# usage: tests/probes/run.sh LIBRARY HAVE_SDT
#
# Checks the probes of lib/base/probe.h by the notes of the library: each is there, with four
# arguments, and there is no other. Exit: 77 if the library was built without sys/sdt.h; then there
# must be none.
set -eu
library=$1
notes=$(mktemp)
trap 'rm -f "$notes"' EXIT
LC_ALL=C readelf -n "$library" >"$notes"

# The provider, the probe and the number of its arguments, each once.
found=$(awk '
    $1 == "Provider:" { provider = $2 }
    $1 == "Name:" { name = $2 }
    $1 == "Arguments:" { print provider, name, NF - 1 }' "$notes" | sort -u)
if [ -z "${2-}" ]; then
    [ -z "$found" ] || { echo "probes without sys/sdt.h: $found"; exit 1; }
    echo "skipped: no sys/sdt.h when the library was built (Debian: systemtap-sdt-dev)"
    exit 77
fi

expected='posse claim 4
posse finish 4
posse loss 4
posse submit 4'
echo "$found"
[ "$found" = "$expected" ] || { echo "expected:" "$expected"; exit 1; }
