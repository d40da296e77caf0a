#!/bin/sh
# usage: tests/lint/tuning.sh
#
# Prints the times that stand elsewhere than in lib/base/tuning.h, and the constants there that no
# file uses.
set -eu
# shellcheck source=tests/lint/kit.sh
. "$(dirname "$0")/kit.sh"
tuning=lib/base/tuning.h
{
    grep -rnE --include='*.[ch]' \
        '#define [A-Z_]+_(NS|MS) |pi_os_sleep\([0-9]|_ns = [0-9]{4,}' lib | grep -v "^$tuning:" |
        grep -v MAX_IDLE_MS # which the layout fixes
    sed -n 's/^#define \(PI_[A-Z_]*\) .*/\1/p' $tuning | while read -r name; do
        grep -rqw --include='*.[ch]' --exclude=tuning.h "$name" lib ||
            [ "$(grep -cw "$name" $tuning)" -gt 1 ] || echo "$tuning: nothing uses $name"
    done
} >"$findings" || true
report
